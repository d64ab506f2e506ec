import type { HandlerContext } from '@connectrpc/connect';
import {
  AppError,
  type CallContext,
  callContext,
  createSlots,
  forward,
  needs,
  tenantOf,
  tenantShare,
  withTenantSlot,
} from '@wardstone/rpc';
import type { AnswerRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { asRetrieved } from '../domain/as-retrieved.ts';
import { type AnswerSummary, composeAnswer } from '../domain/compose-answer.ts';
import { createOutputGuard } from '../domain/output-guard.ts';
import { createSpending, type Spending } from '../domain/spending.ts';
import { readModel } from '../domain/read-model.ts';
import type { Allow, AnswerInput, AnswerModel, AnswerSettings, Conversation, Deps, ModelUsage } from '../ports.ts';
import { type AnswerCourse, recordEnd, recordRefusal } from './answer-end.ts';
import {
  citationToWire,
  doneToWire,
  outcomes,
  sourceFromHit,
  sourceToWire,
  statementToWire,
  turnFromWire,
  usageToWire,
} from './wire.ts';

const defaultTopK = 8;
/** What retrieval takes, and the proto of a question. */
const maxQuestionChars = 4_000;

/**
 * Sources first, then each checked statement with the citations that bear it out, then what was used and how it ended. The
 * audit event is durable before anything of a document leaves; a caller who goes stops the search and the model.
 */
export function answer(deps: Deps) {
  const { maxAnswers, tenantSlotPercent } = deps.limits;
  const slots = createSlots(tenantShare(maxAnswers, tenantSlotPercent));
  return withTenantSlot(slots, async function* (request: AnswerRequest, context: HandlerContext) {
    const call = callContext(context);
    deps.metrics.answering(1);
    try {
      yield* answerAdmitted(deps, request, call);
    } finally {
      deps.metrics.answering(-1);
    }
  });
}

/** Under the tenant's settings and within its budget. */
async function* answerAdmitted(deps: Deps, request: AnswerRequest, call: CallContext) {
  tenantOf(call);
  const settings = await deps.settings.of(call);
  const model = deps.models.pick(request.model === '' ? settings.model : request.model);
  // Nobody is answered past a guardrail that was set when another kind of model was installed.
  needs(settings.guardrail === undefined || model.takesGuardrail, 'GUARDRAIL_NOT_SUPPORTED');
  const course: AnswerCourse = { isWhole: false };
  try {
    // What an answer without sources may cost: one for which there is no room even so is refused before anything is done for it.
    const { guardrail } = settings;
    const bare = { question: request.question, history: [], sources: [], ...(guardrail && { guardrail }) };
    const maxMicroUsd = model.maxMicroUsd(bare);
    const admission = await deps.ledger.admit(call, settings, { modelId: model.id, maxMicroUsd });
    const spending = createSpending();
    const allow: Allow = (microUsd) => admission.cover(spending.total().costMicroUsd + microUsd);
    try {
      yield* answerOne(deps, { request, settings, model, spending, allow, course }, call);
      course.isWhole = true;
    } catch (error) {
      course.failure = error;
      throw error;
    } finally {
      // What was used is counted however the answer ended: a caller who leaves has not left the bill.
      await admission.settle(spending.byModel());
      await recordEnd(deps, { course, modelId: course.answeredBy ?? model.id, spending }, call);
    }
  } catch (error) {
    const isRefused = course.documentIds === undefined && AppError.from(error).reason === 'BUDGET_EXCEEDED';
    if (isRefused) await recordRefusal(deps, model.id, call);
    throw error;
  }
}

interface Answering {
  readonly request: AnswerRequest;
  readonly settings: AnswerSettings;
  readonly model: AnswerModel;
  readonly spending: Spending;
  /** Before every call that costs. */
  readonly allow: Allow;
  readonly course: AnswerCourse;
}

async function* answerOne(deps: Deps, answering: Answering, call: CallContext) {
  const startedMs = performance.now();
  const { request, settings, model, spending, course } = answering;
  const { conversationId } = request;
  const conversation =
    conversationId === ''
      ? deps.conversations.told(request.history.map(turnFromWire))
      : await deps.conversations.open(call, conversationId);
  const input = await gather(deps, { ...answering, conversation }, call);
  // Now that the prompt is known: refused before anything of a document leaves.
  await answering.allow(model.maxMicroUsd(input));
  const documentIds = [...new Set(input.sources.map(({ documentId }) => documentId))];
  await deps.auditor.record(call, {
    action: 'answer.create',
    resourceType: 'document',
    resourceIds: documentIds,
    outcome: 'success',
    attributes: { sources: String(input.sources.length), model: model.id },
  });
  course.documentIds = documentIds;
  yield { event: { case: 'sources' as const, value: { sources: input.sources.map(sourceToWire) } } };

  const { summary, citations } = yield* tell(model, { input, settings, spending, course }, call);
  course.summary = summary;
  const modelId = course.answeredBy ?? model.id;
  const turn = await conversation.keep({
    question: request.question,
    standaloneQuestion: input.question,
    answer: summary.text,
    citations,
    modelId,
    outcome: outcomes[summary.outcome],
  });
  yield { event: { case: 'usage' as const, value: usageToWire(model.id, spending.total()) } };
  deps.metrics.answered(summary, citations.length, (performance.now() - startedMs) / 1000);
  const { promptVersion } = model;
  const done = doneToWire(summary, { modelId, promptVersion, conversationId, turn });
  yield { event: { case: 'done' as const, value: done } };
}

/** What the model answers from: a question that stands alone, and the best sources that it has room for. */
async function gather(
  deps: Deps,
  asked: Answering & { readonly conversation: Conversation },
  call: CallContext,
): Promise<AnswerInput> {
  const { request, settings, model, spending, allow } = asked;
  const reranker = settings.rerank ? deps.reranker : asRetrieved;
  const { history } = asked.conversation;
  const guarded = settings.guardrail && { guardrail: settings.guardrail };
  let { question } = request;
  if (history.length > 0) {
    const spent = (usage: ModelUsage): void => spending.add(usage);
    const rewritten = await model.rewrite({ question, history, allow, spent, ...guarded }, call.signal);
    if (mayBeAsked(rewritten, { question, history, model })) question = rewritten;
  }
  const topK = request.topK === 0 ? defaultTopK : request.topK;
  const found = await deps.retrieval.search(
    {
      query: question,
      topK: reranker.candidates(topK),
      documentIds: request.documentIds,
      filters: request.filters,
    },
    forward(call),
  );
  const hits = found.hits.map(sourceFromHit);
  const billed = reranker.billed(question, hits);
  if (billed) await allow(billed.costMicroUsd);
  const ranked = await reranker.rerank(question, hits, topK, call.signal).catch((error: unknown) => {
    // Who leaves while it is asked pays for it.
    if (billed && call.signal.aborted) spending.add(billed);
    throw error;
  });
  if (ranked.usage) spending.add(ranked.usage);
  const sources = ranked.sources.map((source, index) => ({ ...source, number: index + 1 }));
  const input = { question, history, sources };
  return { ...input, sources: model.fit(input), allow, ...guarded, ...waitOf(call) };
}

/**
 * Whether a model's wording may be searched for. One that grew beyond what a question may be, or in which the output guard finds what
 * nobody wrote, is left for the question as it was asked: answers are shown to the model, and they are words of documents.
 */
function mayBeAsked(
  rewritten: string,
  { question, history, model }: Pick<AnswerInput, 'question' | 'history'> & { readonly model: AnswerModel },
): boolean {
  if (rewritten.length > maxQuestionChars) return false;
  const written = [question, ...history.map((turn) => turn.question)].join('\n');
  return createOutputGuard(model.confidential).inspect(rewritten, written).length === 0;
}

/** Until when the caller waits. */
function waitOf(call: CallContext): Pick<AnswerInput, 'waitsUntilMs'> {
  const leftMs = call.timeoutMs();
  return leftMs === undefined ? {} : { waitsUntilMs: performance.now() + leftMs };
}

/** Sends the answer as it is checked; tells what came of it. */
async function* tell(
  model: AnswerModel,
  asked: { readonly input: AnswerInput } & Pick<Answering, 'settings' | 'spending' | 'course'>,
  call: CallContext,
) {
  const { input, settings, spending, course } = asked;
  const citations: ReturnType<typeof citationToWire>[] = [];
  spending.asked(model.id);
  const readings = readModel(model, input, call.signal, (usage) => {
    spending.add(usage);
    // Of several the last one answered: those before it had failed. Guardrails are not paid by tokens.
    if (usage.inputTokens + usage.cacheReadTokens + usage.outputTokens > 0) course.answeredBy = usage.modelId;
  });
  let summary: AnswerSummary | undefined;
  const guard = createOutputGuard(model.confidential);
  const { sources } = input;
  for await (const piece of composeAnswer(readings, { sources, policy: settings.citationPolicy, guard })) {
    if (piece.kind === 'end') {
      ({ summary } = piece);
      continue;
    }
    yield { event: { case: 'delta' as const, value: statementToWire(piece) } };
    for (const quote of piece.quotes) {
      const value = citationToWire(quote, piece);
      citations.push(value);
      yield { event: { case: 'citation' as const, value } };
    }
  }
  if (summary === undefined) throw new AppError('INTERNAL', { cause: new Error('an answer ended without a summary') });
  return { summary, citations };
}
