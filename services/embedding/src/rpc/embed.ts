import type { HandlerContext } from '@connectrpc/connect';
import { type CallContext, callContext, createSlots, tenantShare } from '@wardstone/rpc';
import { EmbedKind, type EmbedRequest } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { headed } from '../domain/passage-text.ts';
import { usageAttributes } from '../domain/usage.ts';
import type { Deps } from '../ports.ts';

type EmbedDeps = Pick<Deps, 'models' | 'auditor' | 'limits'>;

/**
 * Vectors of texts. A call holds a slot of its tenant until its work has ended. Questions have slots of their own: whoever embeds
 * passages in bulk takes none from a search.
 */
export function embed(deps: EmbedDeps) {
  const share = tenantShare(deps.limits.maxRequests, deps.limits.tenantSlotPercent);
  const [questions, passages] = [createSlots(share), createSlots(share)];
  return async (request: EmbedRequest, context: HandlerContext) => {
    const call = callContext(context);
    const slots = request.kind === EmbedKind.QUERY ? questions : passages;
    const release = slots.take(call.principal.tenantId ?? '');
    try {
      return await embedOne(deps, request, call);
    } finally {
      release();
    }
  };
}

/** From a vector its text can be guessed: the audit event comes before it leaves. */
async function embedOne(deps: Pick<EmbedDeps, 'models' | 'auditor'>, request: EmbedRequest, call: CallContext) {
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
}
