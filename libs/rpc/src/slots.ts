import type { HandlerContext } from '@connectrpc/connect';
import { AppError } from './app-error.ts';
import { callContext, tenantOf } from './call.ts';

/** How many things of one kind may go on at once. */
export interface SlotBounds {
  /** In all; without it only each key is bounded. */
  readonly max?: number;
  readonly maxPerKey: number;
  /** What a refused caller is told to wait; what the catalogue says of RATE_LIMITED unless told. */
  readonly retryAfterMs?: number;
}

/** Bounds how many things of one kind go on at once, in all and per key. */
export interface Slots {
  /** Takes a slot; the returned function gives it back, once however often it is called. Thrown: RATE_LIMITED. */
  take(key: string): () => void;
  /** How many are taken in all. */
  taken(): number;
}

/** Makes slots; keys without a taken slot cost nothing. */
export function createSlots({ max = Infinity, maxPerKey, retryAfterMs }: SlotBounds): Slots {
  const taken = new Map<string, number>();
  let total = 0;
  const giveBack = (key: string): void => {
    const left = (taken.get(key) ?? 1) - 1;
    total -= 1;
    if (left === 0) taken.delete(key);
    else taken.set(key, left);
  };
  return {
    take(key) {
      const before = taken.get(key) ?? 0;
      if (total >= max || before >= maxPerKey) {
        throw new AppError('RATE_LIMITED', retryAfterMs === undefined ? {} : { retryAfterMs });
      }
      taken.set(key, before + 1);
      total += 1;
      let held = true;
      return () => {
        if (held) giveBack(key);
        held = false;
      };
    },
    taken: () => total,
  };
}

/** Bounds of which one tenant may have `percent` (1 to 100), rounded down, and at least one slot. */
export function tenantShare(max: number, percent: number): SlotBounds {
  return { max, maxPerKey: Math.max(1, Math.floor((max * percent) / 100)) };
}

/** A handler whose RPC streams its response. */
export type StreamingHandler<Request, Response> = (
  request: Request,
  context: HandlerContext,
) => AsyncIterable<Response>;

/**
 * The handler, holding a slot of its caller's tenant from its first step until it ends, fails, or its call is over, read or
 * not. Thrown: RATE_LIMITED, TENANT_REQUIRED.
 */
export function withTenantSlot<Request, Response>(
  slots: Slots,
  handler: StreamingHandler<Request, Response>,
): (request: Request, context: HandlerContext) => AsyncGenerator<Response, void, undefined> {
  return async function* (request, context) {
    const release = slots.take(tenantOf(callContext(context)));
    try {
      yield* handler(request, context);
    } finally {
      release();
    }
  };
}
