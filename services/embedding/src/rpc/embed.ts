import type { HandlerContext } from '@connectrpc/connect';
import { callContext } from '@wardstone/rpc';
import { EmbedKind, type EmbedRequest } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { headed } from '../domain/passage-text.ts';
import { usageAttributes } from '../domain/usage.ts';
import type { Deps } from '../ports.ts';

/** Vectors of texts. From a vector its text can be guessed: the audit event comes before it leaves. */
export function embed(deps: Pick<Deps, 'models' | 'auditor'>) {
  return async (request: EmbedRequest, context: HandlerContext) => {
    const call = callContext(context);
    const model = deps.models.of(request.modelId);
    const kind = request.kind === EmbedKind.QUERY ? 'query' : 'passage';
    const texts = kind === 'query' ? request.texts : request.texts.map((text) => headed(request.title, text));
    const { vectors, usage } = await model.embed(texts, kind, {
      tenantId: call.principal.tenantId ?? '',
      signal: call.signal,
      timeoutMs: call.timeoutMs(),
    });
    await deps.auditor.record(call, {
      action: 'embedding.create',
      resourceType: 'embedding',
      resourceIds: [],
      outcome: 'success',
      attributes: { kind, texts: String(vectors.length), model: model.id, ...usageAttributes(model, usage) },
    });
    return {
      embeddings: vectors.map((vector) => ({ values: Array.from(vector) })),
      modelId: model.id,
      dimensions: model.dimensions,
    };
  };
}
