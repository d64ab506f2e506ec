/** A model behind the cache of vectors. */
import { needs } from '@wardstone/rpc';
import { noUsage } from '../domain/usage.ts';
import type { EmbeddingModel, VectorCache } from '../ports.ts';

/**
 * The model, asked only for passages that the cache does not hold, which are kept then; a model that costs nothing is asked for all.
 * Questions pass it by: what somebody asks is kept nowhere.
 */
export function throughCache(model: EmbeddingModel, cache: VectorCache): EmbeddingModel {
  if (!model.metered) return model;
  return {
    ...model,
    async embed(texts, kind, call) {
      if (kind === 'query') return model.embed(texts, kind, call);
      const of = { tenantId: call.tenantId, model };
      const cached = await cache.read(of, texts);
      const missing = texts.filter((text) => !cached.has(text));
      if (missing.length === 0) return { vectors: texts.flatMap((text) => cached.get(text) ?? []), usage: noUsage };
      const { vectors, usage } = await model.embed(missing, kind, call);
      needs(vectors.length === missing.length, 'INTERNAL');
      const made = new Map(missing.map((text, at) => [text, vectors[at] ?? new Float32Array()]));
      await cache.keep(of, made);
      return { vectors: texts.flatMap((text) => cached.get(text) ?? made.get(text) ?? []), usage };
    },
  };
}
