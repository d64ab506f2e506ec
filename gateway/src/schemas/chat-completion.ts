import { z } from 'zod';
import { answerExample, answerSchema } from './answer.ts';
import { count } from './fields.ts';
import { openAiErrorSchema, problemSchema } from './problem.ts';

/** Answers in the form of OpenAI's chat completions, whole and in chunks. */

/** The field `wardstone`: what OpenAI's form has no place for. */
export const completionAnswerSchema = answerSchema.omit({ answer: true }).meta({
  description:
    'All that POST /v1/answers tells, but for the text: how the answer ended, how far the documents bear it out, sources, citations. Places in `answer` are places in the content.',
});

const finishReason = z.enum(['stop', 'length', 'content_filter']).meta({
  description:
    'stop: the answer is complete, or says that there is none. length: the model ran out of output. content_filter: a safety check refused the answer, or the rest of it.',
});

const usageSchema = z
  .object({
    prompt_tokens: count.meta({ description: 'Tokens read, with those from and to the prompt cache.' }),
    completion_tokens: count.meta({ description: 'Tokens written.' }),
    total_tokens: count.meta({ description: 'Both.' }),
    prompt_tokens_details: z
      .object({ cached_tokens: count.meta({ description: 'Tokens read from the prompt cache.' }) })
      .meta({ description: 'Of the tokens read.' }),
  })
  .meta({ description: 'What the answer used, all calls of models together.' });

const id = z.string().meta({ description: 'Id of the completion; the same in all of its chunks.' });
const created = count.meta({ description: 'When it was asked for, in seconds since 1970.' });
const model = z.string().meta({
  description: 'The model as it was asked for; the one that answered is `wardstone.modelId`.',
});
const index = z.literal(0).meta({ description: 'There is one choice.' });
const role = z.literal('assistant').meta({ description: 'Whose message it is.' });

const { answer: content, ...wardstone } = answerExample;
const usageExample = {
  ...{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  prompt_tokens_details: { cached_tokens: 0 },
};
const asked = { id: 'chatcmpl-01970000-0000-4000-8000-000000000007', created: 1_795_426_200, model: 'fast' };

/** A chat completion, whole. */
export const chatCompletionSchema = z
  .object({
    id,
    object: z.literal('chat.completion').meta({ description: 'What this is.' }),
    created,
    model,
    choices: z
      .array(
        z.object({
          index,
          message: z
            .object({
              role,
              content: z.string().meta({ description: 'The answer, in words.' }),
              refusal: z.null().meta({ description: 'Always null: what there is to say stands in the content.' }),
            })
            .meta({ description: 'The answer.' }),
          logprobs: z.null().meta({ description: 'Always null.' }),
          finish_reason: finishReason,
        }),
      )
      .meta({ description: 'One.' }),
    usage: usageSchema,
    wardstone: completionAnswerSchema,
  })
  .meta({
    description: 'An answer as a chat completion.',
    examples: [
      {
        ...asked,
        object: 'chat.completion',
        choices: [
          {
            ...{ index: 0, logprobs: null, finish_reason: 'stop' },
            message: { role: 'assistant', content, refusal: null },
          },
        ],
        usage: usageExample,
        wardstone,
      },
    ],
  });

const chunkSchema = z
  .object({
    id,
    object: z.literal('chat.completion.chunk').meta({ description: 'What this is.' }),
    created,
    model,
    choices: z
      .array(
        z.object({
          index,
          delta: z
            .object({
              role: role.optional(),
              content: z.string().optional().meta({ description: 'To be put behind what came before.' }),
            })
            .meta({ description: 'What is new: the role, then statement after statement, each checked.' }),
          finish_reason: finishReason
            .nullable()
            .meta({ description: 'How the answer ended; null until the last chunk.' }),
        }),
      )
      .meta({ description: 'One; none in the chunk that tells what was used.' }),
    usage: usageSchema.optional(),
    wardstone: completionAnswerSchema.optional(),
  })
  .meta({
    description: 'A piece of a chat completion. The last one has `finish_reason` and `wardstone`.',
  });

const failureSchema = z
  .object({
    error: z
      .object({
        ...problemSchema.omit({ error: true }).shape,
        ...openAiErrorSchema.shape,
      })
      .meta({ description: "What went wrong, as a problem, with what clients of OpenAI's API look for." }),
  })
  .meta({
    description: 'The last event of a stream that broke off: the answer is not complete, and no `[DONE]` follows.',
  });

/** An event of a streamed chat completion, but for the `[DONE]` at its end, which is no JSON. */
export const chatChunkSchema = z
  .union([chunkSchema, failureSchema])
  .meta({ description: 'An event of a streamed chat completion, but for the `[DONE]` at its end.' });

/** An event of a streamed chat completion. */
export type ChatChunk = z.input<typeof chatChunkSchema>;

const chunk = { ...asked, object: 'chat.completion.chunk' as const };

/** A whole stream, chunk by chunk. */
export const chatChunksExample = [
  { ...chunk, choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] },
  { ...chunk, choices: [{ index: 0, delta: { content }, finish_reason: null }] },
  { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], wardstone },
  { ...chunk, choices: [], usage: usageExample },
];
