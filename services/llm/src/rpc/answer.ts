import type { HandlerContext } from '@connectrpc/connect';
import {
  AppError,
  type CallContext,
  callContext,
  createSlots,
  forward,
  tenantOf,
  tenantShare,
  withTenantSlot,
} from '@wardstone/rpc';
import type { AnswerOutcome as WireOutcome } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { AnswerRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { AnswerSource, Deps } from '../ports.ts';
import { placeOf } from '../domain/places.ts';
import { outcomeToWire, sourceFromHit, sourceToWire } from './wire.ts';

const defaultTopK = 8;

/**
 * Sources first, then each piece of the answer with the citations that bear it out, then how it ended. The audit event is
 * durable before anything of a document leaves; a caller who goes stops the search and the model.
 */
export function answer(deps: Deps) {
  const { maxAnswers, tenantSlotPercent } = deps.limits;
  const slots = createSlots(tenantShare(maxAnswers, tenantSlotPercent));
  return withTenantSlot(slots, async function* (request: AnswerRequest, context: HandlerContext) {
    deps.metrics.answering(1);
    try {
      yield* answerOne(deps, request, callContext(context));
    } finally {
      deps.metrics.answering(-1);
    }
  });
}

async function* answerOne(deps: Deps, request: AnswerRequest, call: CallContext) {
  tenantOf(call);
  const startedMs = performance.now();
  const sources = await findSources(deps, request, call);
  await deps.auditor.record(call, {
    action: 'answer.create',
    resourceType: 'document',
    resourceIds: [...new Set(sources.map(({ documentId }) => documentId))],
    outcome: 'success',
    attributes: { sources: String(sources.length), model: deps.model.id },
  });
  yield { event: { case: 'sources' as const, value: { sources: sources.map(sourceToWire) } } };

  let citations = 0;
  for await (const event of deps.model.answer({ question: request.question, sources }, call.signal)) {
    switch (event.kind) {
      case 'delta':
        yield { event: { case: 'delta' as const, value: { text: event.text } } };
        break;
      case 'citation':
        citations += 1;
        yield { event: { case: 'citation' as const, value: citationOf(event, sources) } };
        break;
      case 'done': {
        deps.metrics.answered(event.outcome, citations, (performance.now() - startedMs) / 1000);
        const outcome: WireOutcome = outcomeToWire(event.outcome);
        yield { event: { case: 'done' as const, value: { outcome, modelId: deps.model.id } } };
        return;
      }
    }
  }
  throw new AppError('MODEL_UNAVAILABLE', { cause: new Error('the model stopped without saying how it ended') });
}

async function findSources(deps: Pick<Deps, 'retrieval'>, request: AnswerRequest, call: CallContext) {
  const { question, topK, documentIds } = request;
  const found = await deps.retrieval.search(
    { query: question, topK: topK === 0 ? defaultTopK : topK, documentIds },
    forward(call),
  );
  return found.hits.map(sourceFromHit);
}

/** A citation as it is sent: the quote is cut from the source here, so that no model can make one up. */
function citationOf(
  cited: { sourceNumber: number; quoteStart: number; quoteEnd: number; answerStart: number; answerEnd: number },
  sources: readonly AnswerSource[],
) {
  const source = sources.find(({ number }) => number === cited.sourceNumber);
  const { quoteStart, quoteEnd } = cited;
  if (!source || quoteStart < 0 || quoteEnd <= quoteStart || quoteEnd > source.text.length) {
    throw new AppError('INTERNAL', { cause: new Error('the model cited a place that is not in its sources') });
  }
  return {
    sourceNumber: source.number,
    quote: source.text.slice(quoteStart, quoteEnd),
    span: placeOf(source, quoteStart, quoteEnd),
    answerStart: cited.answerStart,
    answerEnd: cited.answerEnd,
    documentId: source.documentId,
    version: source.version,
  };
}
