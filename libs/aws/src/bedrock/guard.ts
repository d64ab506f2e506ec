/** What stands between an adapter and its model: a few more attempts, and a circuit that opens when the model is away. */
import {
  circuitBreaker,
  CircuitState,
  BrokenCircuitError,
  ExponentialBackoff,
  handleWhen,
  SamplingBreaker,
  type CircuitBreakerPolicy,
  type IBackoffFactory,
} from 'cockatiel';
import { AppError, withRetry, type Reason, type RetryDelays } from '@wardstone/rpc';
import { askedPauseMs } from './errors.ts';

/** Whether attempts are let through: all, none, or one to try whether the model is back. */
export type CircuitPosition = 'closed' | 'open' | 'half-open';

/** How often a call is attempted, with which pauses, and when the circuit opens. */
export interface ModelGuardOptions {
  /** Attempts of one call, the first one included; 3 unless told. */
  readonly attempts?: number;
  /** Attempts of a call that is throttled, those included: a call that is told to wait costs nothing. `attempts` unless told. */
  readonly throttledAttempts?: number;
  /** Pauses between attempts; 200 ms to 5 s unless told. */
  readonly delays?: RetryDelays;
  readonly circuit?: CircuitOptions;
  /** Told of every repetition, before its pause. */
  readonly onRetry?: (error: AppError, pauseMs: number) => void;
  /** Told whenever the circuit changes. */
  readonly onCircuit?: (position: CircuitPosition) => void;
}

/** When the circuit opens, and for how long. */
export interface CircuitOptions {
  /** Share of failed attempts in `windowMs`, 0 to 1, beyond which it opens; 0.5 unless told. */
  readonly failureShare?: number;
  /** 30 s unless told. */
  readonly windowMs?: number;
  /** Fewer attempts in the window say nothing; 10 unless told. */
  readonly minAttempts?: number;
  /** Until one attempt is let through to try; doubles up to `maxOpenMs` while that fails. 1 s unless told. */
  readonly firstOpenMs?: number;
  /** 30 s unless told. */
  readonly maxOpenMs?: number;
}

/** What one call may take. */
export interface GuardedCall {
  readonly signal: AbortSignal;
  /** Of all its attempts and pauses; no pause is made that would end later. */
  readonly timeoutMs: number;
}

/** One for each model, shared by all its calls. */
export interface ModelGuard {
  /**
   * Runs `attempt`, which throws AppErrors alone, until it succeeds or repeating it makes no sense.
   * Thrown: the AppError of the last attempt; MODEL_UNAVAILABLE at once while the circuit is open.
   */
  run<T>(attempt: (attempt: number) => Promise<T>, call: GuardedCall): Promise<T>;
  /** Counts a failure that came after `run` had resolved: in the middle of a stream. */
  failed(error: AppError): void;
  circuit(): CircuitPosition;
  /** Whether an attempt made now would be refused: while the circuit is open, until the next one may try. */
  refuses(): boolean;
}

const defaultAttempts = 3;
const defaultDelays: RetryDelays = { firstMs: 200, maxMs: 5_000 };
const defaultFailureShare = 0.5;
const defaultWindowMs = 30_000;
const defaultMinAttempts = 10;
const defaultFirstOpenMs = 1_000;
const defaultMaxOpenMs = 30_000;

/** Repeated within one call. A quota that is used up is not: its caller waits, not its connection. */
const repeated: ReadonlySet<Reason> = new Set<Reason>([
  'MODEL_UNAVAILABLE',
  'MODEL_THROTTLED',
  'MODEL_STREAM_BROKEN',
  'MODEL_TIMEOUT',
]);

/** Opens the circuit. Throttling does not: the model is there, and fewer calls at a time are the answer to it. */
const breaking: ReadonlySet<Reason> = new Set<Reason>(['MODEL_UNAVAILABLE', 'MODEL_STREAM_BROKEN', 'MODEL_TIMEOUT']);

const positions: Readonly<Record<CircuitState, CircuitPosition>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half-open',
  // Nobody isolates it.
  [CircuitState.Isolated]: 'open',
};

/** A guard whose circuit is closed. It holds nothing that has to be closed. */
export function createModelGuard(options: ModelGuardOptions = {}): ModelGuard {
  const { attempts = defaultAttempts, delays = defaultDelays, onRetry, onCircuit } = options;
  const throttledAttempts = options.throttledAttempts ?? attempts;
  const { breaker, triesAtMs } = createBreaker(options.circuit ?? {});
  if (onCircuit !== undefined) {
    breaker.onStateChange((state) => {
      onCircuit(positions[state]);
    });
  }
  return {
    run: (attempt, { signal, timeoutMs }) => {
      let failures = 0;
      return withRetry((number) => throughCircuit(breaker, () => attempt(number)), {
        attempts: throttledAttempts,
        delays,
        signal,
        timeoutMs,
        mayRetry: (error) => {
          if (error.reason !== 'MODEL_THROTTLED') failures += 1;
          return failures < attempts && mayRetry(error);
        },
        askedPauseMs,
        onRetry,
      });
    },
    failed(error) {
      // While it is open there is nothing to count, and a trial is decided by its own attempt.
      if (breaker.state === CircuitState.Closed) breaker.execute(() => Promise.reject(error)).catch(() => undefined);
    },
    circuit: () => positions[breaker.state],
    refuses: () => breaker.state === CircuitState.Open && performance.now() < triesAtMs(),
  };
}

interface Breaker {
  readonly breaker: CircuitBreakerPolicy;
  /** When an attempt is let through, in milliseconds of `performance.now()`; it says something while the circuit is open. */
  triesAtMs(): number;
}

function createBreaker(options: CircuitOptions): Breaker {
  const windowMs = options.windowMs ?? defaultWindowMs;
  let triesAtMs = 0;
  const breaker = circuitBreaker(
    handleWhen((error) => error instanceof AppError && breaking.has(error.reason)),
    {
      breaker: new SamplingBreaker({
        threshold: options.failureShare ?? defaultFailureShare,
        duration: windowMs,
        minimumRps: (options.minAttempts ?? defaultMinAttempts) / (windowMs / 1_000),
      }),
      halfOpenAfter: observed(
        new ExponentialBackoff({
          initialDelay: options.firstOpenMs ?? defaultFirstOpenMs,
          maxDelay: options.maxOpenMs ?? defaultMaxOpenMs,
        }),
        (openMs) => (triesAtMs = performance.now() + openMs),
      ),
    },
  );
  return { breaker, triesAtMs: () => triesAtMs };
}

/** The library does not say how long it stays open: the back-off that it asks does. */
function observed<T>(backoff: IBackoffFactory<T>, onNext: (durationMs: number) => void): IBackoffFactory<T> {
  return {
    next(context) {
      const next = backoff.next(context);
      onNext(next.duration);
      return { duration: next.duration, next: (following) => observed(next, onNext).next(following) };
    },
  };
}

/** Thrown: MODEL_UNAVAILABLE with a BrokenCircuitError as its cause, when the attempt is not made. */
async function throughCircuit<T>(breaker: CircuitBreakerPolicy, attempt: () => Promise<T>): Promise<T> {
  // The library lets others wait for a trial's outcome, whatever their deadline: here they are refused.
  if (breaker.state === CircuitState.HalfOpen) throw refused(new BrokenCircuitError());
  try {
    return await breaker.execute(attempt);
  } catch (error) {
    throw error instanceof BrokenCircuitError ? refused(error) : error;
  }
}

function refused(cause: BrokenCircuitError): AppError {
  return new AppError('MODEL_UNAVAILABLE', { cause });
}

function mayRetry(error: AppError): boolean {
  if (error.cause instanceof BrokenCircuitError) return false;
  // A clock that the SDK has corrected is right the next time.
  return repeated.has(error.reason) || (error.reason === 'CLOCK_SKEW' && error.retryAfterMs === 0);
}
