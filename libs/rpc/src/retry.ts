/** Doing again what may succeed the next time: a few attempts, with pauses that spread out, and never past the deadline. */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from './app-error.ts';

/** Pauses between attempts: the first one, in milliseconds, doubles with each attempt up to the longest. */
export interface RetryDelays {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** How often work is done again, when, and after which errors. */
export interface RetryOptions {
  /** In all, the first one included. */
  readonly attempts: number;
  readonly delays: RetryDelays;
  /** Ends the pause, and with it the work: the error is what `AppError.from` makes of its reason. */
  readonly signal?: AbortSignal | undefined;
  /** From now until the last attempt has to have begun. A pause that would take longer is not made. */
  readonly timeoutMs?: number | undefined;
  /** Unless told, what the catalogue gives a time to try again. */
  readonly mayRetry?: (error: AppError) => boolean;
  /** What the other side has asked for, where it has: the pause is no shorter. */
  readonly askedPauseMs?: (error: AppError) => number | undefined;
  /** Told of every repetition before its pause. */
  readonly onRetry?: ((error: AppError, pauseMs: number) => void) | undefined;
}

/**
 * What `work` gives, after as many attempts as it takes. `attempt` counts from 1.
 * Thrown: the AppError of the last attempt; that of the signal when it fires during a pause.
 */
export async function withRetry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, delays, signal, timeoutMs = Infinity, mayRetry = saysWhen, askedPauseMs, onRetry } = options;
  const endsAtMs = performance.now() + timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt);
    } catch (thrown) {
      const error = AppError.from(thrown);
      const pauseMs = Math.max(retryDelayMs(attempt, delays), askedPauseMs?.(error) ?? 0);
      if (attempt >= attempts || signal?.aborted === true || !mayRetry(error)) throw error;
      if (performance.now() + pauseMs >= endsAtMs) throw error;
      onRetry?.(error, pauseMs);
      await pause(pauseMs, signal);
    }
  }
}

/** Pause before attempt `attempt + 1`: doubles up to the cap; between half and all of it, so that attempts spread out. */
export function retryDelayMs(attempt: number, delays: RetryDelays, random: () => number = Math.random): number {
  const fullMs = Math.min(delays.firstMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 20), delays.maxMs);
  return Math.round(fullMs * (0.5 + random() / 2));
}

function saysWhen({ retryAfterMs }: AppError): boolean {
  return retryAfterMs !== undefined;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw AppError.from(signal?.aborted === true ? signal.reason : error);
  }
}
