import type { HandlerContext } from '@connectrpc/connect';
import { callContext } from '@wardstone/rpc';
import { EmbedKind, type EmbedRequest } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import type { Deps } from '../ports.ts';

/** Vectors of texts. From a vector its text can be guessed: the audit event comes before it leaves. */
export function embed(deps: Pick<Deps, 'model' | 'auditor'>) {
  return async (request: EmbedRequest, context: HandlerContext) => {
    const call = callContext(context);
    const kind = request.kind === EmbedKind.QUERY ? 'query' : 'passage';
    const vectors = await deps.model.embed(request.texts, kind, call.signal);
    await deps.auditor.record(call, {
      action: 'embedding.create',
      resourceType: 'embedding',
      resourceIds: [],
      outcome: 'success',
      attributes: { kind, texts: String(vectors.length), model: deps.model.id },
    });
    return {
      embeddings: vectors.map((vector) => ({ values: Array.from(vector) })),
      modelId: deps.model.id,
      dimensions: deps.model.dimensions,
    };
  };
}
