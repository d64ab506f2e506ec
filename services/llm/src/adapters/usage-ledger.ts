/** Monthly budgets, and the counting of what answers used, for all replicas in the database. */
import type { Database } from '@wardstone/db';
import { AppError, tenantOf, withRetry, type RetryDelays } from '@wardstone/rpc';
import type { Logger } from '@wardstone/telemetry';
import { v7 as uuidv7 } from 'uuid';
import {
  addUsage,
  committedMicroUsd,
  lockBudget,
  putReservation,
  removeReservation,
  tidyReservations,
} from '../db/usage.ts';
import { hasRoom, reservationOf, retryAfterMs } from '../domain/budget.ts';
import { monthOf } from '../domain/months.ts';
import type { UsageMetrics } from '../metrics.ts';
import type { Admission, ModelUsage, UsageLedger } from '../ports.ts';

/** No answer takes longer: one that has neither ended nor begun to cost by then is forgotten, its process having died. */
const maxAnswerMs = 15 * 60_000;
/** What began to cost and was never settled is added to its month after so long, when nobody can settle it any more. */
const settleableMs = 24 * 60 * 60_000;
const settleAttempts = 3;
const settleDelays: RetryDelays = { firstMs: 200, maxMs: 1_000 };

export interface LedgerDeps {
  readonly database: Pick<Database, 'inTenant'>;
  readonly metrics: UsageMetrics;
  readonly log: Logger;
  readonly now?: () => Date;
}

export function createUsageLedger(deps: LedgerDeps): UsageLedger {
  const { now = () => new Date() } = deps;
  return {
    async admit(call, { monthlyBudgetMicroUsd: budget }, { modelId, maxMicroUsd }) {
      const held: Held = { tenantId: tenantOf(call), reservationId: uuidv7(), month: monthOf(now()), modelId, budget };
      if (budget !== undefined) await reserve(deps, held, { maxMicroUsd, isBegun: false });
      return admission(deps, held, budget === undefined ? undefined : reservationOf(maxMicroUsd));
    },
  };
}

/** What one answer holds of a month. */
interface Held {
  readonly tenantId: string;
  readonly reservationId: string;
  readonly month: string;
  /** Under which it is counted, should its end never be. */
  readonly modelId: string;
  /** Undefined: without a bound. */
  readonly budget: number | undefined;
}

function admission(deps: LedgerDeps, held: Held, openedMicroUsd: number | undefined): Admission {
  let setAside = openedMicroUsd;
  let isBegun = false;
  return {
    async cover(maxMicroUsd) {
      // A model that costs nothing needs no database.
      if (maxMicroUsd <= 0 || (isBegun && maxMicroUsd <= (setAside ?? 0))) return;
      const wanted = Math.max(reservationOf(maxMicroUsd), setAside ?? 0);
      await reserve(deps, held, { maxMicroUsd: wanted, isBegun: true });
      [setAside, isBegun] = [wanted, true];
    },
    async settle(usages) {
      if (setAside === undefined && usages.length === 0) return;
      try {
        await settleHeld(deps, held, { usages, isHeld: setAside !== undefined, isBegun });
      } catch (err) {
        deps.metrics.uncounted();
        const { tenantId, reservationId } = held;
        for (const usage of usages) {
          deps.log.error(
            { err, tenantId, reservationId, countedMicroUsd: isBegun ? setAside : 0, ...usage },
            'what an answer used could not be counted',
          );
        }
      }
      for (const usage of usages) deps.metrics.used(usage);
    },
  };
}

/**
 * Under a lock of the tenant where it has a budget: of two answers for which there is room for one, one begins.
 * Thrown: BUDGET_EXCEEDED, DATABASE_UNAVAILABLE.
 */
async function reserve(
  { database, metrics, now = () => new Date() }: LedgerDeps,
  { budget, ...held }: Held,
  { maxMicroUsd, isBegun }: { readonly maxMicroUsd: number; readonly isBegun: boolean },
): Promise<void> {
  const { tenantId, month, reservationId } = held;
  await database.inTenant(tenantId, async (tx) => {
    const at = now();
    if (budget !== undefined) {
      await lockBudget(tx, tenantId);
      const committed = await committedMicroUsd(tx, month, at, reservationId);
      if (!hasRoom({ budget, ...committed }, maxMicroUsd)) {
        metrics.budgetRefused();
        throw new AppError('BUDGET_EXCEEDED', { retryAfterMs: retryAfterMs(at), metadata: { month } });
      }
    }
    await tidyReservations(tx, at, new Date(at.getTime() - settleableMs));
    const expiresAt = new Date(at.getTime() + maxAnswerMs);
    await putReservation(tx, { ...held, microUsd: reservationOf(maxMicroUsd), isBegun, expiresAt });
  });
}

/**
 * In one transaction: what was set aside and what it cost never count both, and never neither. Whoever finds nothing set aside
 * any more of what had begun, was here before, and the answer of the database was lost.
 */
async function settleHeld(
  { database }: LedgerDeps,
  { tenantId, reservationId, month }: Held,
  so: { readonly usages: readonly ModelUsage[]; readonly isHeld: boolean; readonly isBegun: boolean },
): Promise<void> {
  const settleOnce = () =>
    database.inTenant(tenantId, async (tx) => {
      const wasHeld = so.isHeld && (await removeReservation(tx, reservationId));
      if (so.isBegun && !wasHeld) return;
      if (so.usages.length > 0) await addUsage(tx, tenantId, month, so.usages);
    });
  // Without what tells that it was counted, it might be counted twice.
  await withRetry(settleOnce, { attempts: so.isBegun ? settleAttempts : 1, delays: settleDelays });
}
