import { AppError, isTransient, type Reason, type RetryDelays } from '@wardstone/rpc';

/** What becomes of a job whose handler threw. */
export type Verdict =
  /** Something it depends on is away, or refuses the platform: repeated, without a practical limit. */
  | 'wait'
  /** Nobody knows: repeated a few times, then INTERNAL. */
  | 'unsure'
  /** Repeating changes nothing. */
  | 'permanent';

/** Reasons that speak of our own services, not of the document: a deployment half done, a right not given. */
const unsure: ReadonlySet<Reason> = new Set<Reason>([
  'INTERNAL',
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'TOKEN_INVALID',
  'PERMISSION_DENIED',
  'CALLER_NOT_ACCEPTED',
]);

/**
 * Over when an operator has mended the platform's account, credentials or clocks, which may take a night: until then nothing is wrong
 * with any document, and none is to be uploaded again for it.
 */
const operators: ReadonlySet<Reason> = new Set<Reason>([
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
  return { verdict: isTransient(reason) || needsOperator(reason) ? 'wait' : 'permanent', reason };
}

/** Whether a job that waits for this waits for a person. */
export function needsOperator(reason: Reason): boolean {
  return operators.has(reason);
}
