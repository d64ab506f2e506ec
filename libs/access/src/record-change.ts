/** A change and its audit event. */
import { AppError } from '@wardstone/rpc';
import type { Logger } from '@wardstone/telemetry';
import type { AuditCall, Auditor, NewAuditEvent } from './audit-client.ts';

export interface RecordDeps {
  readonly auditor: Pick<Auditor, 'recordAll'>;
  readonly log: Logger;
}

/** What is about to be done. */
export type Intended = Omit<NewAuditEvent, 'outcome' | 'reason'>;

/**
 * Records what is about to be done, and does it: no change is without its event, and no transaction is open while the log is
 * waited for. When the change does not come about, further events of the same request say so, and why; where its reason is
 * DATABASE_UNAVAILABLE it may have been made all the same. What kills the process in between leaves an event of a change that
 * was not made, and never the reverse.
 * Thrown: AUDIT_UNAVAILABLE, and then nothing was changed; what `change` throws.
 */
export async function recordThen<T>(
  { auditor, log }: RecordDeps,
  call: AuditCall,
  intended: readonly Intended[],
  change: () => Promise<T>,
): Promise<T> {
  await auditor.recordAll(
    call,
    intended.map((event) => ({ ...event, outcome: 'success' })),
  );
  try {
    return await change();
  } catch (error) {
    const { reason } = AppError.from(error);
    const { principal, requestId } = call;
    // Also when the caller has left.
    const failures = intended.map((event) => ({ ...event, outcome: 'failure' as const, reason }));
    await auditor.recordAll({ principal, requestId }, failures).catch((err: unknown) => {
      const actions = intended.map(({ action }) => action);
      log.error(
        { err, tenantId: principal.tenantId, requestId, actions, reason },
        'a change that failed stays recorded',
      );
    });
    throw error;
  }
}
