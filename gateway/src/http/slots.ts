import { AppError } from '@wardstone/rpc';

/** Bounds how many things of one kind go on at once per key. */
export interface Slots {
  /** Takes a slot; the returned function gives it back, once however often it is called. Thrown: RATE_LIMITED. */
  take(key: string): () => void;
  /** How many are taken in all. */
  taken(): number;
}

/** Makes slots; keys without a taken slot cost nothing. */
export function createSlots(maxPerKey: number, retryAfterMs: number): Slots {
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
      if (before >= maxPerKey) throw new AppError('RATE_LIMITED', { retryAfterMs });
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
