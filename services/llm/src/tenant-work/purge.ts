/** Removing everything of a tenant that is gone: one bounded step. Needs no key. */
import { removeTenantRows } from '@wardstone/db';
import { AppError } from '@wardstone/rpc';
import type { WorkStep } from '@wardstone/tenancy';
import type { ConversationDeps } from '../ports.ts';

/** In the order in which rows go: turns before their conversations, so that no deletion carries others with it. */
const tables = ['turn', 'conversation', 'budget_reservation', 'model_usage', 'answer_settings'] as const;

/** Rows of one statement at most. */
const batchRows = 1_000;
/** How long one step removes rows before it reports. */
const maxStepMs = 10_000;

/**
 * Removes a tenant's rows in transactions of at most 1,000. A conversation is what the work counts as a document. A step that
 * was cut off is done again, and removes the rest. Thrown: DATABASE_UNAVAILABLE, CANCELLED.
 */
export function purgeStep({ database }: Pick<ConversationDeps, 'database'>) {
  return async ({ tenantId }: { readonly tenantId: string }, signal: AbortSignal): Promise<WorkStep> => {
    const until = performance.now() + maxStepMs;
    const rows = Object.fromEntries(tables.map((table) => [table, 0])) as Record<(typeof tables)[number], number>;
    const step = (documentsLeft: number): WorkStep => {
      const { turn: turns, conversation: conversations, ...others } = rows;
      const otherRows = Object.values(others).reduce((sum, count) => sum + count, 0);
      return { documentsDone: conversations, documentsLeft, removed: { conversations, turns, other_rows: otherRows } };
    };
    for (const table of tables) {
      for (;;) {
        if (signal.aborted) throw new AppError('CANCELLED');
        const removed = await database.inTenant(tenantId, (tx) => removeTenantRows(tx, table, tenantId, batchRows));
        rows[table] += removed;
        if (removed < batchRows) break;
        if (performance.now() > until) return step(1);
      }
    }
    return step(0);
  };
}
