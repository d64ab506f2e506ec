/** Counters of this service. Labels are words of fixed lists: never an id, never content. */
import { circuitValues } from '@wardstone/aws/bedrock';
import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';
import type { EmbeddingKind, EmbeddingUsage } from './ports.ts';

/** How an attempt at a metered model ended. */
export type Attempt = 'done' | 'throttled' | 'failed';

/** What became of a text that was looked up in the cache of vectors. */
export type LookUp = 'hit' | 'miss' | 'unreadable';

/** What was asked of the cache of vectors. */
export type CacheOperation = 'read' | 'keep' | 'remove';

export interface EmbeddingMetrics {
  /** One call of the model, with all its texts. */
  embedded(kind: EmbeddingKind, texts: number, seconds: number, usage: EmbeddingUsage): void;
  /** One request to a metered model. */
  attempted(kind: EmbeddingKind, attempt: Attempt): void;
  /** A text that was longer than the model takes, and in how many parts it was embedded. */
  split(parts: number): void;
  /** Vectors that an earlier run of a job had kept. */
  reused(vectors: number): void;
  /** Texts that were looked up in the cache of vectors. */
  cached(result: LookUp, texts: number): void;
  /** The cache, or the keys for it, could not be had. */
  cacheFailed(operation: CacheOperation): void;
  /** Entries that were removed because their tenants leave. */
  cacheRemoved(entries: number): void;
  /** While it is open nothing is sent to the metered model; half open, one request is tried. */
  circuit(state: 'closed' | 'open' | 'half-open'): void;
  /** How many requests may be with the metered model, are, and wait. */
  concurrency(state: { readonly limit: number; readonly inFlight: number; readonly waiting: number }): void;
}

export function createMetrics(registry: Registry): EmbeddingMetrics {
  const registers = [registry];
  const counter = <const L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name: `wardstone_embedding_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string): Gauge =>
    new Gauge({ name: `wardstone_embedding_${name}`, help, registers });
  const texts = counter('texts_total', 'Texts that were embedded', ['kind']);
  const tokens = counter('input_tokens_total', 'Tokens that a metered model counted', ['kind']);
  const cost = counter('cost_micro_usd_total', 'Cost of a metered model at the configured price, micro USD', ['kind']);
  const attempts = counter('model_requests_total', 'Requests to a metered model', ['kind', 'outcome']);
  const splitTexts = counter('split_texts_total', 'Texts that were embedded in parts', []);
  const splitParts = counter('split_parts_total', 'Parts of such texts', []);
  const reused = counter('reused_vectors_total', 'Vectors that an earlier run of a job had kept', []);
  const cached = counter('cached_vectors_total', 'Texts that were looked up in the cache of vectors', ['result']);
  const cacheFailures = counter('cache_failures_total', 'Failures of the cache of vectors', ['operation']);
  const cacheRemoved = counter('cache_removed_vectors_total', 'Entries removed for tenants that leave', []);
  const limit = gauge('model_concurrency_limit', 'Requests that may be with the metered model');
  const inFlight = gauge('model_requests_in_flight', 'Requests that are with the metered model');
  const waiting = gauge('model_requests_waiting', 'Requests that wait for their turn');
  const circuit = gauge('model_circuit', 'Circuit to the metered model: 0 closed, 0.5 half open, 1 open');
  const seconds = new Histogram({
    name: 'wardstone_embedding_model_seconds',
    help: 'Time of one call of the model',
    labelNames: ['kind'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  return {
    embedded(kind, count, took, usage) {
      texts.inc({ kind }, count);
      seconds.observe({ kind }, took);
      tokens.inc({ kind }, usage.inputTokens);
      cost.inc({ kind }, usage.costMicroUsd);
    },
    attempted: (kind, outcome) => attempts.inc({ kind, outcome }),
    split(parts) {
      splitTexts.inc();
      splitParts.inc(parts);
    },
    reused: (vectors) => reused.inc(vectors),
    cached: (result, count) => cached.inc({ result }, count),
    cacheFailed: (operation) => cacheFailures.inc({ operation }),
    cacheRemoved: (entries) => cacheRemoved.inc(entries),
    circuit: (state) => circuit.set(circuitValues[state]),
    concurrency(state) {
      limit.set(state.limit);
      inFlight.set(state.inFlight);
      waiting.set(state.waiting);
    },
  };
}
