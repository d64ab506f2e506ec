import type { Deps, EmbeddingModel } from '../ports.ts';

/** The models that are served, by their ids. Nothing of a tenant is in it, so that it leaves no audit event. */
export function getModels({ models }: Pick<Deps, 'models'>) {
  return () => ({ current: described(models.current), kept: models.kept.map(described) });
}

function described({ id, dimensions }: EmbeddingModel) {
  return { modelId: id, dimensions };
}
