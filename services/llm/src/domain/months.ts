/** Calendar months in UTC, by which answers are counted and budgets hold. */

/** The month of an instant, as YYYY-MM. */
export function monthOf(at: Date): string {
  return at.toISOString().slice(0, 7);
}

/** Milliseconds from an instant until its month is over; at least 1. */
export function msUntilNextMonth(at: Date): number {
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1) - at.getTime();
}
