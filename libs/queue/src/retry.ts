import { AppError, isTransient, type Reason, type RetryDelays } from '@wardstone/rpc';

/** What becomes of a job whose handler threw. */
export type Verdict =
  /** Something it depends on is away: repeated, without a practical limit. */
  | 'wait'
  /** Nobody knows: repeated a few times, then INTERNAL. */
  | 'unsure'
  /** Repeating changes nothing. */
  | 'permanent';

/** Reasons that speak of our own services, not of the document: a deployment half done, a right not given, a clock that is off. */
const unsure: ReadonlySet<Reason> = new Set<Reason>([
  'INTERNAL',
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'TOKEN_INVALID',
  'PERMISSION_DENIED',
  'CALLER_NOT_ACCEPTED',
  'KMS_ACCESS_DENIED',
  'OBJECT_STORE_ACCESS_DENIED',
  'MODEL_ACCESS_DENIED',
  'MODEL_NOT_FOUND',
  'CREDENTIALS_EXPIRED',
  'CLOCK_SKEW',
]);

/** Attempts of a job that fails for no known reason. */
export const unsureAttempts = 5;

/** A job whose workers vanish more often is to blame itself; a cluster that is being killed and restarted is not. */
export const maxTakeovers = 50;

/** Attempts that BullMQ is told; about a year at the longest pause. */
export const practicallyUnlimitedAttempts = 1_000_000;

export const defaultRetryDelays: RetryDelays = { firstMs: 500, maxMs: 15_000 };

/** The class and the reason of what a handler threw. */
export function judge(error: unknown): { readonly verdict: Verdict; readonly reason: Reason } {
  const { reason } = AppError.from(error);
  if (unsure.has(reason)) return { verdict: 'unsure', reason };
  return { verdict: isTransient(reason) ? 'wait' : 'permanent', reason };
}
