import type { EmbeddingMetrics } from '../metrics.ts';
import type { EmbeddingModel } from '../ports.ts';

/** The model with each call counted and timed, and what it cost. */
export function measuredModel(model: EmbeddingModel, metrics: EmbeddingMetrics): EmbeddingModel {
  return {
    ...model,
    async embed(texts, kind, call) {
      const startedAt = performance.now();
      const embedded = await model.embed(texts, kind, call);
      metrics.embedded(kind, texts.length, (performance.now() - startedAt) / 1_000, embedded.usage);
      return embedded;
    },
  };
}
