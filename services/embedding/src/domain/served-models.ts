import { AppError } from '@wardstone/rpc';
import type { EmbeddingModel, EmbeddingModels } from '../ports.ts';

/**
 * The current model and those of which vectors are still in the index, by their ids. A change of the model keeps the old one
 * here until the index has none of its vectors left.
 */
export function servedModels(current: EmbeddingModel, kept: readonly EmbeddingModel[]): EmbeddingModels {
  const byId = new Map([...kept, current].map((model) => [model.id, model]));
  return {
    current,
    kept: [...byId.values()].filter((model) => model !== current),
    of(modelId) {
      const model = modelId === '' ? current : byId.get(modelId);
      if (model !== undefined) return model;
      throw new AppError('INVALID_ARGUMENT', {
        violations: [{ field: 'model_id', description: 'is not a model that is served' }],
      });
    },
  };
}
