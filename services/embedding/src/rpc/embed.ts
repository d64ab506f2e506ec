import type { HandlerContext } from '@connectrpc/connect';
import { type CallContext, callContext, createSlots, tenantShare } from '@wardstone/rpc';
import { EmbedKind, type EmbedRequest } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { throughCache } from '../adapters/through-cache.ts';
import { headed } from '../domain/passage-text.ts';
import { usageAttributes } from '../domain/usage.ts';
import type { Deps } from '../ports.ts';

type EmbedDeps = Pick<Deps, 'models' | 'cache' | 'auditor' | 'limits'>;

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
async function embedOne(deps: Omit<EmbedDeps, 'limits'>, request: EmbedRequest, call: CallContext) {
  const model = deps.models.of(request.modelId);
  const kind = request.kind === EmbedKind.QUERY ? 'query' : 'passage';
  const texts = kind === 'query' ? request.texts : request.texts.map((text) => headed(request.title, text));
  const { tenantId } = call.principal;
  // Of programs none may tell by how long a call takes whether a passage is known. Retrieval, which embeds anew, has them all.
  const asked = call.peer === 'retrieval' && tenantId !== undefined ? throughCache(model, deps.cache) : model;
  const { vectors, usage } = await asked.embed(texts, kind, {
    tenantId: tenantId ?? '',
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
