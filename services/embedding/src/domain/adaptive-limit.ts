/**
 * How many calls may be with a model at once: one more after every round of calls that went well, half as many after a call
 * that was throttled (additive increase, multiplicative decrease, as TCP does in RFC 5681). p-queue was looked at, whose
 * limit can be changed too: it lets the place of a call go when the call's signal fires although the call is still with the
 * model, and it would have our own line in it anyway.
 */
import { createSlots } from '@wardstone/rpc';
import { createFairLine, type Place } from './fair-line.ts';

/** How a call ended, as far as the limit learns from it. */
export type Ending = 'done' | 'throttled' | 'failed';

/** Bounds of an adaptive limit. */
export interface AdaptiveLimitOptions {
  /** Calls at once, from 1. */
  readonly max: number;
  /** Where it begins; 4, or `max` when that is less, unless told. */
  readonly initial?: number;
  /**
   * Who may wait for a turn; whoever comes then is refused. Who comes first and the others are counted apart, each up to these
   * bounds, so that no number of passages takes the place of a question.
   */
  readonly maxWaiting: number;
  /** Of one tenant, of each of the two: when its line is full, it alone is refused. */
  readonly maxWaitingPerTenant: number;
  /** Told of every change, of the limit and of the calls within it. */
  readonly onChange?: (state: { readonly limit: number; readonly inFlight: number; readonly waiting: number }) => void;
}

/** A limit that all calls of a process share. */
export interface AdaptiveLimit {
  /**
   * Waits for its turn, and gives the function that ends it, to be called once with what became of the call. Who comes first
   * may go one beyond the limit, so that calls that hang hold up no search.
   * Thrown: the signal's reason when it fires before the turn; RATE_LIMITED when too many wait, which says nothing about the
   * model.
   */
  enter(place: Place, signal?: AbortSignal): Promise<(ending: Ending) => void>;
  /** Calls that may be in flight now, a whole number from 1 to `max`. */
  limit(): number;
  inFlight(): number;
}

const defaultInitial = 4;
const minLimit = 1;

export function createAdaptiveLimit(options: AdaptiveLimitOptions): AdaptiveLimit {
  const { max, onChange } = options;
  const waitingBounds = { max: options.maxWaiting, maxPerKey: options.maxWaitingPerTenant };
  const [firstPlaces, otherPlaces] = [createSlots(waitingBounds), createSlots(waitingBounds)];
  const line = createFairLine<(leave: (ending: Ending) => void) => void>();
  let exact = Math.min(options.initial ?? defaultInitial, max);
  let inFlight = 0;
  // Calls that were on their way when the limit was halved tell of the time before.
  let generation = 0;

  const limit = (): number => Math.floor(exact);
  const changed = (): void => onChange?.({ limit: limit(), inFlight, waiting: line.size() });
  const learn = (ending: Ending, begunIn: number): void => {
    if (ending === 'throttled' && begunIn === generation) {
      exact = Math.max(minLimit, exact / 2);
      generation += 1;
    }
    // A limit of which less than half is used says nothing about what more would do.
    if (ending === 'done' && inFlight * 2 >= limit()) exact = Math.min(max, exact + 1 / exact);
  };
  const admit = (): void => {
    for (;;) {
      const first = line.nextIsFirst();
      if (first === undefined || inFlight >= limit() + (first ? 1 : 0)) break;
      const begin = line.next();
      inFlight += 1;
      begin?.(leaveOnce(generation));
    }
    changed();
  };
  const leaveOnce = (begunIn: number) => {
    let left = false;
    return (ending: Ending): void => {
      if (left) return;
      left = true;
      learn(ending, begunIn);
      inFlight -= 1;
      admit();
    };
  };

  return {
    enter: (place, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason as Error);
          return;
        }
        // What it throws rejects the promise.
        const freePlace = (place.first ? firstPlaces : otherPlaces).take(place.tenantId);
        const onAbort = (): void => {
          giveUp();
          freePlace();
          changed();
          reject(signal?.reason as Error);
        };
        const giveUp = line.join(place, (leave) => {
          freePlace();
          signal?.removeEventListener('abort', onAbort);
          resolve(leave);
        });
        signal?.addEventListener('abort', onAbort, { once: true });
        admit();
      }),
    limit,
    inFlight: () => inFlight,
  };
}
