/** A reranker without a model: a source is as good as its best sentence, and as retrieval found it. */
import { setImmediate } from 'node:timers/promises';
import type { Reranker } from '../ports.ts';
import { rankSentences } from './rank-sentences.ts';
import { moreCandidates, placed } from './rerank.ts';
import { readQuestion } from './terms.ts';

/** What the best sentence counts beside retrieval's order. Chosen with scripts/measure-rerank.ts; the README has the figures. */
const sentenceWorth = 0.3;
/** Over so many places, at least, retrieval's order loses what it counts: the second of two is not worth nothing. */
const minPlaces = 32;

/** Deterministic; it takes about half a millisecond for each source, in one go. */
export function createLocalReranker(): Reranker {
  return {
    id: 'wardstone-sentences-1',
    billed: () => undefined,
    candidates: moreCandidates,
    async rerank(question, sources, topK, signal) {
      await setImmediate();
      signal.throwIfAborted();
      // Only here are sources named by their place: the handler's numbers come later.
      const numbered = sources.map((source, number) => ({ ...source, number }));
      const best = new Map<number, number>();
      for (const { source, score } of rankSentences(readQuestion(question), numbered).candidates) {
        best.set(source.number, Math.max(score, best.get(source.number) ?? 0));
      }
      const highest = Math.max(...best.values(), Number.MIN_VALUE);
      const places = Math.max(minPlaces, sources.length);
      const worth = (at: number): number =>
        (1 - sentenceWorth) * (1 - at / places) + (sentenceWorth * (best.get(at) ?? 0)) / highest;
      const order = sources.map((_, at) => at).sort((a, b) => worth(b) - worth(a) || a - b);
      return { sources: placed(sources, order, topK) };
    },
  };
}
