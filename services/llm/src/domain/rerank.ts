/** What rerankers share, and what happens when one is away. */
import { AppError, type Reason } from '@wardstone/rpc';
import type { Logger } from '@wardstone/telemetry';
import type { ModelMetrics } from '../model-metrics.ts';
import { asRetrieved } from './as-retrieved.ts';
import type { AnswerSource, Reranker } from '../ports.ts';

/** As many as are to be chosen, four times over: beyond that nothing better was found (scripts/measure-rerank.ts). */
const candidatesPerSource = 4;
/** As many as retrieval gives. */
const maxCandidates = 100;

export function moreCandidates(topK: number): number {
  return Math.max(topK, Math.min(maxCandidates, topK * candidatesPerSource));
}

/** The first `topK` of the sources by their places in `order`; those that it does not name follow as they were. */
export function placed(
  sources: readonly AnswerSource[],
  order: readonly number[],
  topK: number,
): readonly AnswerSource[] {
  const named = new Set(order);
  const others = sources.map((_, at) => at).filter((at) => !named.has(at));
  return [...named, ...others].slice(0, topK).flatMap((at) => sources[at] ?? []);
}

/** It may have been asked for an order that did not come. */
const askedBefore: ReadonlySet<Reason> = new Set<Reason>(['MODEL_TIMEOUT', 'MODEL_STREAM_BROKEN']);

/** The reranker, and retrieval's own order while it fails: sources in a worse order are better than no answer. */
export function orAsRetrieved(
  reranker: Reranker,
  { metrics, log }: { readonly metrics: Pick<ModelMetrics, 'reranked'>; readonly log: Pick<Logger, 'warn'> },
): Reranker {
  return {
    ...reranker,
    async rerank(question, sources, topK, signal) {
      const startedMs = performance.now();
      const tell = (outcome: Parameters<ModelMetrics['reranked']>[1]) =>
        metrics.reranked(reranker.id, outcome, (performance.now() - startedMs) / 1_000);
      try {
        const ranked = await reranker.rerank(question, sources, topK, signal);
        tell('ok');
        return ranked;
      } catch (error) {
        const failure = AppError.from(error);
        tell(failure.reason);
        if (signal.aborted) throw failure;
        log.warn({ reranker: reranker.id, reason: failure.reason, err: failure }, 'sources stay in retrieval’s order');
        const usage = askedBefore.has(failure.reason) ? reranker.billed(question, sources) : undefined;
        return { ...(await asRetrieved.rerank(question, sources, topK, signal)), ...(usage && { usage }) };
      }
    },
  };
}
