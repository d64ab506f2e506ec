import { needs } from '@wardstone/rpc';
import type { AnswerResponse } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { toCitation, toDelta, toDone, toSource, toUsage } from './answer.ts';

/** An answer, whole, as the API shows it. */
export type CollectedAnswer = ReturnType<AnswerCollector['whole']>;

/** Puts the events of an answer together. */
export type AnswerCollector = ReturnType<typeof collectAnswer>;

/** Begins an answer that is put together from its events as they come. */
export function collectAnswer() {
  const texts: string[] = [];
  const statements: ReturnType<typeof toDelta>[] = [];
  const citations: ReturnType<typeof toCitation>[] = [];
  let sources: ReturnType<typeof toSource>[] = [];
  let [usage, done]: [ReturnType<typeof toUsage>?, ReturnType<typeof toDone>?] = [];
  return {
    add({ event }: AnswerResponse): void {
      if (event.case === 'sources') sources = event.value.sources.map(toSource);
      else if (event.case === 'delta') {
        texts.push(event.value.text);
        const delta = toDelta(event.value);
        if (delta.support !== 'NOTICE') statements.push({ ...delta, text: delta.text.trimStart() });
      } else if (event.case === 'citation') citations.push(toCitation(event.value));
      else if (event.case === 'usage') usage = toUsage(event.value);
      else if (event.case === 'done') done = toDone(event.value);
    },
    /** Thrown: SERVICE_UNAVAILABLE when the last event has not come: the answer is not complete, however much of it came. */
    whole() {
      needs(done, 'SERVICE_UNAVAILABLE');
      return { answer: texts.join(''), ...done, statements, sources, citations, usage: usage ?? unused(done.modelId) };
    },
  };
}

/** A service that does not tell what an answer used has used nothing that it knows of. */
function unused(modelId: string): ReturnType<typeof toUsage> {
  return { modelId, inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicroUsd: 0 };
}
