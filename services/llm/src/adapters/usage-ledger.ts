/** Monthly budgets, and the counting of what answers used, for all replicas in the database. */
import type { Database } from '@wardstone/db';
import { AppError, tenantOf } from '@wardstone/rpc';
import type { Logger } from '@wardstone/telemetry';
import { v7 as uuidv7 } from 'uuid';
import { addReservation, addUsage, committedMicroUsd, lockBudget, removeReservation } from '../db/usage.ts';
import { hasRoom, reservationOf, retryAfterMs } from '../domain/budget.ts';
import { monthOf } from '../domain/months.ts';
import type { UsageMetrics } from '../metrics.ts';
import type { UsageLedger } from '../ports.ts';

/** A reservation whose answer never ended, its process having died, lapses after so long; no answer takes longer. */
const maxAnswerMs = 15 * 60_000;

export interface LedgerDeps {
  readonly database: Pick<Database, 'inTenant'>;
  readonly metrics: UsageMetrics;
  readonly log: Logger;
  readonly now?: () => Date;
}

export function createUsageLedger(deps: LedgerDeps): UsageLedger {
  const { database, metrics, log, now = () => new Date() } = deps;
  return {
    async admit(call, { monthlyBudgetMicroUsd: budget }, estimateMicroUsd) {
      const tenantId = tenantOf(call);
      const month = monthOf(now());
      const asked = { tenantId, month, estimate: estimateMicroUsd };
      const reservationId = budget === undefined ? undefined : await reserve(deps, { ...asked, budget });
      return {
        async settle(usages) {
          if (reservationId === undefined && usages.length === 0) return;
          try {
            // In one transaction: what was set aside and what it cost never count both, and never neither.
            await database.inTenant(tenantId, async (tx) => {
              if (reservationId !== undefined) await removeReservation(tx, reservationId);
              if (usages.length > 0) await addUsage(tx, tenantId, month, usages);
            });
          } catch (err) {
            metrics.uncounted();
            for (const usage of usages) {
              log.error({ err, tenantId, ...usage }, 'what an answer used could not be counted');
            }
          }
          for (const usage of usages) metrics.used(usage);
        },
      };
    },
  };
}

/** Under a lock: of two answers for which there is room for one, one begins. Thrown: BUDGET_EXCEEDED, DATABASE_UNAVAILABLE. */
async function reserve(
  { database, metrics, now = () => new Date() }: LedgerDeps,
  asked: { readonly tenantId: string; readonly month: string; readonly estimate: number; readonly budget: number },
): Promise<string> {
  const { tenantId, month, estimate, budget } = asked;
  return database.inTenant(tenantId, async (tx) => {
    const at = now();
    await lockBudget(tx, tenantId);
    const committed = await committedMicroUsd(tx, month, at);
    if (!hasRoom({ budget, ...committed }, estimate)) {
      metrics.budgetRefused();
      throw new AppError('BUDGET_EXCEEDED', { retryAfterMs: retryAfterMs(at), metadata: { month } });
    }
    const reservationId = uuidv7();
    const expiresAt = new Date(at.getTime() + maxAnswerMs);
    await addReservation(tx, { tenantId, reservationId, month, microUsd: reservationOf(estimate), expiresAt }, at);
    return reservationId;
  });
}
