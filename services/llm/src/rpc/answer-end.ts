import { AppError, type CallContext } from '@wardstone/rpc';
import type { NewAuditEvent } from '@wardstone/access';
import type { AnswerSummary } from '../domain/compose-answer.ts';
import type { Spending } from '../domain/spending.ts';
import type { Deps } from '../ports.ts';

/** How far an answer came. */
export interface AnswerCourse {
  /** Documents of its sources, once `answer.create` is recorded; before that nothing of them was used. */
  documentIds?: readonly string[];
  summary?: AnswerSummary;
  /** The model that answered, which need not be the one that was asked first; not known before it has told what it used. */
  answeredBy?: string;
  /** All of it was sent. */
  isWhole: boolean;
  failure?: unknown;
}

/** Records how an answer ended that was begun: also one that broke off, or whose caller left. */
export async function recordEnd(
  deps: Deps,
  {
    course,
    modelId,
    spending,
  }: { readonly course: AnswerCourse; readonly modelId: string; readonly spending: Spending },
  call: CallContext,
): Promise<void> {
  const { documentIds, summary, isWhole, failure } = course;
  if (documentIds === undefined) return;
  const { inputTokens, outputTokens, costMicroUsd } = spending.total();
  await recordAnyhow(deps, call, {
    action: 'answer.end',
    resourceType: 'document',
    resourceIds: documentIds,
    outcome: isWhole ? 'success' : 'failure',
    ...(isWhole ? {} : { reason: failure === undefined ? 'CANCELLED' : AppError.from(failure).reason }),
    attributes: {
      model: modelId,
      ...(summary && {
        outcome: summary.outcome,
        statements: String(summary.statements),
        withheld: String(summary.withheld),
      }),
      input_tokens: String(inputTokens),
      output_tokens: String(outputTokens),
      cost_micro_usd: String(costMicroUsd),
    },
  });
}

/** Records that an answer was not begun because its tenant's budget was used up. */
export async function recordRefusal(deps: Deps, modelId: string, call: CallContext): Promise<void> {
  await recordAnyhow(deps, call, {
    action: 'answer.create',
    resourceType: 'document',
    resourceIds: [],
    outcome: 'denied',
    reason: 'BUDGET_EXCEEDED',
    attributes: { model: modelId },
  });
}

/** Also when the caller has left. What cannot be recorded is logged: nothing more of a document leaves after it. */
async function recordAnyhow({ auditor, metrics, log }: Deps, call: CallContext, event: NewAuditEvent): Promise<void> {
  const { principal, requestId } = call;
  try {
    await auditor.record({ principal, requestId }, event);
  } catch (err) {
    metrics.unrecorded();
    const { action, outcome, reason, attributes } = event;
    log.error(
      { err, tenantId: principal.tenantId, requestId, action, outcome, reason, attributes },
      'an event of an answer could not be recorded',
    );
  }
}
