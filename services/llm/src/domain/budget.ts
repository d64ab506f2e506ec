/** Whether a tenant's budget has room for one more answer. */
import { msUntilNextMonth } from './months.ts';

/** A month of a tenant with a budget. All in millionths of a US dollar. */
export interface MonthlyBudget {
  readonly budget: number;
  /** What the month's answers have cost. */
  readonly spent: number;
  /** What answers under way may still cost. */
  readonly reserved: number;
}

/**
 * Longest time that a caller is told to wait. A budget may be raised any day: a client that was told to come back in four weeks
 * would not notice.
 */
const maxRetryAfterMs = 24 * 60 * 60_000;

/** What is set aside for an answer that may cost so much: never nothing, so that a budget that is used up admits nobody. */
export function reservationOf(estimateMicroUsd: number): number {
  return Math.max(1, Math.ceil(estimateMicroUsd));
}

/** Whether an answer that may cost so much may begin. */
export function hasRoom({ budget, spent, reserved }: MonthlyBudget, estimateMicroUsd: number): boolean {
  return spent + reserved + reservationOf(estimateMicroUsd) <= budget;
}

/** How long to wait before trying again: until the month is over, but never longer than a day. */
export function retryAfterMs(now: Date): number {
  return Math.min(msUntilNextMonth(now), maxRetryAfterMs);
}
