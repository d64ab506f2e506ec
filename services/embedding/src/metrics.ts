/** Counters of this service. Labels are words of fixed lists: never an id, never content. */
import { Counter, Histogram, type Registry } from '@wardstone/telemetry';
import type { EmbeddingKind } from './ports.ts';

export interface EmbeddingMetrics {
  /** One call of the model. */
  embedded(kind: EmbeddingKind, texts: number, seconds: number): void;
}

export function createMetrics(registry: Registry): EmbeddingMetrics {
  const registers = [registry];
  const texts = new Counter({
    name: 'wardstone_embedding_texts_total',
    help: 'Texts that were embedded',
    labelNames: ['kind'],
    registers,
  });
  const seconds = new Histogram({
    name: 'wardstone_embedding_model_seconds',
    help: 'Time of one call of the model',
    labelNames: ['kind'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  return {
    embedded(kind, count, took) {
      texts.inc({ kind }, count);
      seconds.observe({ kind }, took);
    },
  };
}
