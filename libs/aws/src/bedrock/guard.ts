/** What stands between an adapter and its model: a few more attempts, and a circuit that opens when the model is away. */
import { AppError, withRetry, type Reason, type RetryDelays } from '@wardstone/rpc';
import { createCircuit, type Circuit, type CircuitOptions, type CircuitPosition } from './circuit.ts';
import { askedPauseMs } from './errors.ts';

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

/** What one call may take. */
export interface GuardedCall {
  readonly signal: AbortSignal;
  /** Of all its attempts and pauses; no pause is made that would end later. */
  readonly timeoutMs: number;
}

/** One for each model, or whatever else may be away by itself, shared by all its calls. */
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

/** Repeated within one call. A quota that is used up is not: its caller waits, not its connection. */
const repeated: ReadonlySet<Reason> = new Set<Reason>([
  'MODEL_UNAVAILABLE',
  'MODEL_THROTTLED',
  'MODEL_STREAM_BROKEN',
  'MODEL_TIMEOUT',
]);

/** Opens the circuit. Throttling does not: the model is there, and fewer calls at a time are the answer to it. */
const breaking: ReadonlySet<Reason> = new Set<Reason>(['MODEL_UNAVAILABLE', 'MODEL_STREAM_BROKEN', 'MODEL_TIMEOUT']);

/** The cause of what is thrown when an attempt is not made. */
class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError';
}

/** A guard whose circuit is closed. It holds nothing that has to be closed. */
export function createModelGuard(options: ModelGuardOptions = {}): ModelGuard {
  const { attempts = defaultAttempts, delays = defaultDelays, onRetry, onCircuit } = options;
  const throttledAttempts = options.throttledAttempts ?? attempts;
  const circuit = createCircuit(options.circuit, onCircuit);
  return {
    run: (attempt, { signal, timeoutMs }) => {
      let failures = 0;
      return withRetry((number) => throughCircuit(circuit, signal, () => attempt(number)), {
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
      if (breaking.has(error.reason)) circuit.away();
    },
    circuit: circuit.position,
    refuses: circuit.refuses,
  };
}

/**
 * An attempt says that the model is well when it succeeds, and that it is away when it fails in a way that breaks the circuit. Any
 * other end says nothing: a request that the model does not take, or that its own caller ended, for whatever reason.
 * Thrown: MODEL_UNAVAILABLE with a CircuitOpenError as its cause, when the attempt is not made.
 */
async function throughCircuit<T>(circuit: Circuit, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  const tell = circuit.enter();
  if (tell === undefined) throw new AppError('MODEL_UNAVAILABLE', { cause: new CircuitOpenError() });
  try {
    const result = await attempt();
    tell('well');
    return result;
  } catch (error) {
    const isAway = !signal.aborted && error instanceof AppError && breaking.has(error.reason);
    tell(isAway ? 'away' : 'nothing');
    throw error;
  }
}

function mayRetry(error: AppError): boolean {
  if (error.cause instanceof CircuitOpenError) return false;
  // A clock that the SDK has corrected is right the next time.
  return repeated.has(error.reason) || (error.reason === 'CLOCK_SKEW' && error.retryAfterMs === 0);
}
