import { AppError } from '@wardstone/rpc';
import { type AnswerResponse, LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { RouteDeps } from '../deps.ts';
import { type StreamEvent, eventStreamMediaType, frame } from '../http/event-stream.ts';
import { type Route, route } from '../route.ts';
import { answerEventSchema, answerEventsExample, sourcesSchema } from '../schemas/answer-event.ts';
import {
  answerDoneSchema,
  answerRequestSchema,
  answerSchema,
  citationSchema,
  deltaSchema,
  usageSchema,
} from '../schemas/answer.ts';
import { toCitation, toDelta, toDone, toSource, toUsage } from '../wire/answer.ts';
import { collectAnswer } from '../wire/collect-answer.ts';
import { answerProblems } from './refusals.ts';
import { maxJsonBytes } from './search.ts';
import { streamEvents } from './stream-events.ts';

/** Answering a question, whole or as it is written. */
export function answersRoute(deps: Pick<RouteDeps, 'services' | 'limits' | 'streams'>): Route {
  const { services, limits } = deps;
  return route({
    method: 'POST',
    path: '/v1/answers',
    access: { rpc: LlmService.method.answer },
    operationId: 'createAnswer',
    summary: 'Answer a question',
    description: [
      'Every statement of the answer is checked against the words that it cites before it is sent. What the documents do not bear',
      'out is marked, left out, or refuses the answer, as the tenant has it.',
      'With Accept: text/event-stream the answer is streamed: `sources` first, then each statement as a `delta` with its',
      '`citation`s, `usage`, and `done` at the end, or `error` with a problem as data: what was sent before it stands, and the',
      'answer is not complete. A comment every 15 s keeps the connection. A client that leaves stops the work.',
    ].join(' '),
    tag: 'Answers',
    body: {
      json: answerRequestSchema,
      name: 'AnswerRequest',
      maxBytes: maxJsonBytes,
      timeoutMs: limits.bodyTimeoutMs,
    },
    success: {
      status: 200,
      description: 'The answer with its sources and citations.',
      json: answerSchema,
      name: 'Answer',
      streams: {
        [eventStreamMediaType]: {
          description: 'Events `sources`, `delta`, `citation`, `usage`, `done` and `error`.',
          events: { name: 'AnswerEvent', schema: answerEventSchema, example: answerEventsExample.map(frame).join('') },
        },
      },
    },
    problems: [...answerProblems, 'CONVERSATION_NOT_FOUND'],
    handle: async (call) => {
      const { question, topK = 0, documentIds = [], filters = [], model = '', conversationId = '' } = call.body;
      const asked = { question, topK, documentIds, filters, model, conversationId };
      const answer = services.llm.answer(asked, call.as(limits.answerTimeoutMs));
      return call.accepted === eventStreamMediaType ? streamEvents(deps, call, events(answer)) : whole(answer);
    },
  });
}

async function* events(answer: AsyncIterable<AnswerResponse>): AsyncGenerator<StreamEvent> {
  for await (const { event } of answer) {
    switch (event.case) {
      case 'sources':
        yield { event: 'sources', data: sourcesSchema.parse({ sources: event.value.sources.map(toSource) }) };
        break;
      case 'delta':
        yield { event: 'delta', data: deltaSchema.parse(toDelta(event.value)) };
        break;
      case 'citation':
        yield { event: 'citation', data: citationSchema.parse(toCitation(event.value)) };
        break;
      case 'done':
        yield { event: 'done', data: answerDoneSchema.parse(toDone(event.value)) };
        return;
      case 'usage':
        yield { event: 'usage', data: usageSchema.parse(toUsage(event.value)) };
        break;
      default:
        throw new AppError('INTERNAL', { message: 'The answering service sent an event that is not known here.' });
    }
  }
  // Without its last event an answer is not complete, however much of it came.
  throw new AppError('SERVICE_UNAVAILABLE');
}

async function whole(answer: AsyncIterable<AnswerResponse>) {
  const collected = collectAnswer();
  for await (const event of answer) collected.add(event);
  return collected.whole();
}
