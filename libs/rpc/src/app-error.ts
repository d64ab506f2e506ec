import type { Code } from '@connectrpc/connect';
import { ConnectError } from '@connectrpc/connect';
import { fromWire } from './wire-error.ts';
import { type Reason, specOf } from './reasons.ts';

/** A field that is not valid, by its path; the description never quotes the value. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What may be said beside the reason. */
export interface AppErrorOptions {
  /** For the log only. */
  readonly cause?: unknown;
  /** Instead of the catalogue's sentence. Shown to callers: must hold no content. */
  readonly message?: string | undefined;
  readonly violations?: readonly FieldViolation[] | undefined;
  /** Instead of the catalogue's. */
  readonly retryAfterMs?: number | undefined;
  /** Shown to callers: ids and limits, never content. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** The one error of the platform: a stable reason, a message that is safe to show, and a cause for the log. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly reason: Reason;
  readonly code: Code;
  /** HTTP status at the gateway. */
  readonly status: number;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: Reason, options: AppErrorOptions = {}) {
    const spec = specOf(reason);
    super(options.message ?? spec.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.code = spec.code;
    this.status = spec.status;
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs ?? spec.retryAfterMs;
    this.metadata = options.metadata ?? {};
  }

  /**
   * Turns whatever was thrown into an AppError: an AppError as it is, an error from the wire with the reason it carries,
   * an abort as CANCELLED, a time-out as DEADLINE_EXCEEDED, and everything else as INTERNAL with the cause kept.
   */
  static from(error: unknown): AppError {
    if (error instanceof AppError) return error;
    if (error instanceof ConnectError) {
      if (error.cause instanceof AppError) return error.cause;
      const { reason, options } = fromWire(error);
      return new AppError(reason, options);
    }
    if (error instanceof Error && error.name === 'AbortError') return new AppError('CANCELLED', { cause: error });
    if (error instanceof Error && error.name === 'TimeoutError')
      return new AppError('DEADLINE_EXCEEDED', { cause: error });
    return new AppError('INTERNAL', { cause: error });
  }
}

/**
 * States a precondition.
 * Thrown: AppError with the reason, when the condition does not hold.
 */
export function needs(condition: unknown, reason: Reason, options?: AppErrorOptions): asserts condition {
  if (!condition) throw new AppError(reason, options);
}
