import type { EmbeddingMetrics } from '../metrics.ts';
import type { EmbeddingModel } from '../ports.ts';

/** The model with each call counted and timed. */
export function measuredModel(model: EmbeddingModel, metrics: EmbeddingMetrics): EmbeddingModel {
  return {
    id: model.id,
    dimensions: model.dimensions,
    async embed(texts, kind, signal) {
      const startedAt = performance.now();
      const vectors = await model.embed(texts, kind, signal);
      metrics.embedded(kind, texts.length, (performance.now() - startedAt) / 1_000);
      return vectors;
    },
  };
}
