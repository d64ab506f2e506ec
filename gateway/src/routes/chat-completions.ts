import { AppError, type Reason } from '@wardstone/rpc';
import { type AnswerResponse, LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { randomUUID } from 'node:crypto';
import type { RouteDeps } from '../deps.ts';
import { eventStreamMediaType } from '../http/event-stream.ts';
import { type Route, route } from '../route.ts';
import {
  type ChatChunk,
  chatChunkSchema,
  chatChunksExample,
  chatCompletionSchema,
} from '../schemas/chat-completion.ts';
import { chatRequestSchema, questionOf } from '../schemas/chat-request.ts';
import { historyOf } from '../wire/chat-history.ts';
import { type Asked, toChunk, toCompletion, toFailure, toLastChunks } from '../wire/chat-completion.ts';
import { collectAnswer } from '../wire/collect-answer.ts';
import { needsCompletions } from './completions-enabled.ts';
import { answerProblems } from './refusals.ts';
import { type StreamForm, streamAs } from './stream-events.ts';

/** Longer than a question's: clients send all that was said before. */
const maxChatBytes = 256 * 1024;

/** The end of a stream that is complete; no JSON, as OpenAI has it. */
const end = '[DONE]';
const chunks: StreamForm<ChatChunk | typeof end> = {
  frame: (chunk) => `data: ${chunk === end ? end : JSON.stringify(chunk)}\n\n`,
  failed: (problem) => chatChunkSchema.parse(toFailure(problem)),
};

const example = chatChunksExample
  .map((chunk) => chunks.frame(chatChunkSchema.parse(chunk)))
  .concat(chunks.frame(end))
  .join('');

const description = [
  "Answers the last message of a user from the documents, in the form of OpenAI's API, for clients that speak it. Off until the",
  "tenant's settings turn it on (`completionsEnabled`).",
  'What users and assistants said before it is the conversation that the question goes on with: it is put into words that stand',
  'alone, and those are searched for. The newest turns are read, each whole, as many as of a conversation that is kept here;',
  'nothing of it is kept. It is believed no more than a question is: no answer cites it.',
  'What system and developer messages say is not obeyed: documents answer.',
  'Parameters that steer how a model writes are taken and passed over; tools, functions, more than one answer, and any form but',
  'text are refused. `wardstone` tells all that `POST /v1/answers` does.',
  'With `stream: true`, whatever Accept says, the answer is sent as `data:` events without names: a chunk with the role, one for',
  'each statement when it has been checked, one with `finish_reason` and `wardstone`, one with `usage` if',
  '`stream_options.include_usage` asks for it, and `[DONE]`. A comment every 15 s keeps the connection. An error after the first',
  'event is an event `{"error": …}` that holds the problem, and the last one; before that, and without a stream, errors are',
  '`application/problem+json` as everywhere, with an `error` beside that clients of OpenAI read. A client that leaves stops the',
  'work.',
  'Needs the permission `answer-settings` `read` as well.',
].join(' ');

/** Answering a question in the form of OpenAI's chat completions, whole or in chunks. */
export function chatCompletionsRoute(deps: Pick<RouteDeps, 'services' | 'limits' | 'streams'>): Route {
  const { services, limits } = deps;
  return route({
    method: 'POST',
    path: '/v1/chat/completions',
    access: { rpc: LlmService.method.answer },
    operationId: 'createChatCompletion',
    summary: 'Answer a question, as OpenAI does',
    description,
    tag: 'Completions',
    body: {
      json: chatRequestSchema,
      name: 'ChatCompletionRequest',
      maxBytes: maxChatBytes,
      timeoutMs: limits.bodyTimeoutMs,
    },
    success: {
      status: 200,
      description: 'The answer with its sources and citations.',
      json: chatCompletionSchema,
      name: 'ChatCompletion',
      streams: {
        [eventStreamMediaType]: {
          description: 'Chunks, and `[DONE]`, which is no JSON, at the end.',
          events: {
            name: 'ChatCompletionChunk',
            schema: chatChunkSchema,
            example,
          },
        },
      },
    },
    mediaTypeOf: (body) => (asksForStream(body) ? eventStreamMediaType : 'application/json'),
    problems: ['COMPLETIONS_DISABLED', 'MODEL_UNKNOWN', ...answerProblems.filter(isNotArgument)],
    handle: async (call) => {
      await needsCompletions(deps, call);
      const { model, messages, stream_options: options } = call.body;
      const asked = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
      const question = { question: questionOf(messages), history: historyOf(messages), model };
      const answer = ofKnownModel(services.llm.answer(question, call.as(limits.answerTimeoutMs)));
      if (call.body.stream !== true) return whole(asked, answer);
      return streamAs(chunks, deps, call, inChunks(asked, answer, options?.include_usage === true));
    },
  });
}

function asksForStream(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'stream' in body && body.stream === true;
}

/** The reason that `ofKnownModel` makes another of. */
function isNotArgument(reason: Reason): boolean {
  return reason !== 'MODEL_NOT_ALLOWED';
}

/** A model that is not there is not found, as clients of OpenAI expect: elsewhere it is an argument that is refused. */
async function* ofKnownModel(answer: AsyncIterable<AnswerResponse>): AsyncGenerator<AnswerResponse> {
  try {
    yield* answer;
  } catch (error) {
    if (AppError.from(error).reason !== 'MODEL_NOT_ALLOWED') throw error;
    const violations = [{ field: 'model', description: 'is not the alias or the id of a model here' }];
    throw new AppError('MODEL_UNKNOWN', { cause: error, violations });
  }
}

async function whole(asked: Asked, answer: AsyncIterable<AnswerResponse>) {
  const collected = collectAnswer();
  for await (const event of answer) collected.add(event);
  return toCompletion(asked, collected.whole());
}

async function* inChunks(
  asked: Asked,
  answer: AsyncIterable<AnswerResponse>,
  withUsage: boolean,
): AsyncGenerator<ChatChunk | typeof end> {
  const collected = collectAnswer();
  let begun = false;
  for await (const response of answer) {
    const { event } = response;
    if (event.case === undefined) {
      throw new AppError('INTERNAL', { message: 'The answering service sent an event that is not known here.' });
    }
    // Not before the service has answered: what it refuses has a status of its own.
    if (!begun) yield toChunk(asked, { role: 'assistant', content: '' });
    begun = true;
    collected.add(response);
    if (event.case === 'delta') yield toChunk(asked, { content: event.value.text });
    if (event.case === 'done') break;
  }
  for (const chunk of toLastChunks(asked, collected.whole(), withUsage)) yield chatChunkSchema.parse(chunk);
  yield end;
}
