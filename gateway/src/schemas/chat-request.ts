import { z } from 'zod';
import { text } from './fields.ts';

/** A request in the form of OpenAI's chat completions: what is used of it, what is passed over, and what is refused. */

/** Of one request: clients send all that was said. */
const maxMessages = 200;
const maxParts = 50;

/** What a question may be, as everywhere. */
const question = text({ min: 1, max: 4000 });

const contentSchema = z
  .union([
    z.string(),
    z
      .array(
        z.strictObject({
          type: z.literal('text').meta({ description: 'Nothing but text.' }),
          text: z.string().meta({ description: 'The text.' }),
        }),
      )
      .max(maxParts),
  ])
  .nullable();

const messageSchema = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']).meta({
    description: 'Whose it is. What a system or developer message says is not obeyed: documents answer.',
  }),
  content: contentSchema.optional().meta({ description: 'Text, or parts of it, which are joined by line breaks.' }),
  name: z.unknown().optional().meta({ description: 'Passed over.' }),
  refusal: z.unknown().optional().meta({ description: 'Passed over.' }),
  annotations: z.unknown().optional().meta({ description: 'Passed over.' }),
  audio: nothing('Refused, unless it is null.'),
  tool_calls: nothing('Refused, unless it is null or empty.'),
  function_call: nothing('Refused, unless it is null.'),
});

/** Parameters that most clients send, and that answers from documents have no use for. */
const passedOver = [
  ...['temperature', 'top_p', 'presence_penalty', 'frequency_penalty', 'logit_bias', 'seed', 'stop'],
  ...['max_tokens', 'max_completion_tokens', 'reasoning_effort', 'verbosity', 'tool_choice', 'parallel_tool_calls'],
  ...['user', 'safety_identifier', 'metadata', 'store', 'service_tier', 'prompt_cache_key', 'prompt_cache_retention'],
] as const;

const passedOverSchema = z.unknown().optional().meta({ description: 'Taken, and passed over.' });
const passedOverFields = Object.fromEntries(passedOver.map((field) => [field, passedOverSchema])) as Record<
  (typeof passedOver)[number],
  typeof passedOverSchema
>;

/** A message of a request. */
export type ChatMessage = z.output<typeof messageSchema>;

/** A request for a chat completion. */
export const chatRequestSchema = z
  .strictObject({
    model: z
      .string()
      .regex(/^[A-Za-z0-9._:/-]{1,200}$/, 'is not the name of a model')
      .meta({ description: 'Which model answers: `quality`, `fast`, or an id; see `GET /v1/models`.' }),
    messages: z
      .array(messageSchema)
      .min(1)
      .max(maxMessages)
      .refine((messages) => lastOfUser(messages) !== undefined, 'has no message of a user')
      .refine(
        (messages) => lastOfUser(messages) === undefined || question.safeParse(questionOf(messages)).success,
        'ends with a question that is empty, longer than 4000 characters, or no text that can be kept',
      )
      .meta({
        description:
          'The last message of a user is the question, of 1 to 4000 characters. Those of users and assistants before it are the conversation that it goes on with: its newest part is read, and nothing of it is kept. What comes after it is not read.',
      }),
    stream: z
      .boolean()
      .nullable()
      .optional()
      .meta({ description: 'Whether the answer is streamed; not if not given.' }),
    stream_options: z
      .strictObject({
        include_usage: z.boolean().nullable().optional().meta({
          description: 'Whether a chunk before the end tells what was used; not if not given.',
        }),
        include_obfuscation: passedOverSchema,
      })
      .nullable()
      .optional()
      .meta({ description: 'How it is streamed.' }),
    n: z.int().min(1).max(1).nullable().optional().meta({ description: 'There is one answer.' }),
    response_format: z
      .unknown()
      .refine((value) => isNothing(value) || isText(value), 'is not {"type": "text"}')
      .optional()
      .meta({ description: 'Refused, unless it is `{"type": "text"}`.' }),
    modalities: z.array(z.literal('text')).max(1).nullable().optional().meta({ description: 'Nothing but text.' }),
    tools: nothing('Refused, unless it is null or empty.'),
    functions: nothing('Refused, unless it is null or empty.'),
    function_call: nothing('Refused, unless it is null.'),
    logprobs: z
      .unknown()
      .refine((value) => isNothing(value) || value === false, 'cannot be had here')
      .optional()
      .meta({ description: 'Refused, unless it is false.' }),
    ...passedOverFields,
  })
  .meta({
    description: "A question in the form of OpenAI's chat completions.",
    examples: [
      {
        model: 'fast',
        messages: [
          { role: 'system', content: 'You are a helpful assistant.' },
          { role: 'user', content: 'How is the occlusion alarm reset?' },
        ],
        temperature: 0.2,
        stream: false,
      },
    ],
  });

/** The question of a request: what its last message of a user says; empty when there is none. */
export function questionOf(messages: readonly ChatMessage[]): string {
  return textOf(lastOfUser(messages));
}

/** What a message says; empty when it says nothing. */
export function textOf(message: ChatMessage | undefined): string {
  const content = message?.content ?? '';
  return typeof content === 'string' ? content : content.map((part) => part.text).join('\n');
}

function lastOfUser(messages: readonly ChatMessage[]) {
  return messages.findLast(({ role }) => role === 'user');
}

/** What cannot be had here, and must not be taken for something that was done. */
function nothing(description: string) {
  return z.unknown().refine(isNothing, 'cannot be had here').optional().meta({ description });
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

function isText(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'text';
}
