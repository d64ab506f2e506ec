/** The models that the configuration names. */
import type { Logger } from '@wardstone/telemetry';
import { createLexicalEmbedder } from '../domain/lexical-embedder.ts';
import { servedModels } from '../domain/served-models.ts';
import type { EmbeddingMetrics } from '../metrics.ts';
import type { EmbeddingModels } from '../ports.ts';
import { measuredModel } from './measured-model.ts';

export function openModels(metrics: EmbeddingMetrics, log: Logger): EmbeddingModels {
  const model = measuredModel(createLexicalEmbedder(), metrics);
  log.warn({ model: model.id }, 'the embedded lexical model is in use: it matches words, not meanings');
  return servedModels(model, []);
}
