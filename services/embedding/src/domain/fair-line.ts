/** Where work waits: what comes first is taken before all else, and within that the tenants take turns. */

/** Who waits. */
export interface Place {
  /** Before everything that is not. */
  readonly first: boolean;
  /** Whose turn it takes. */
  readonly tenantId: string;
}

export interface FairLine<T> {
  /** The function takes the item out again, wherever it stands; nothing happens when it was taken already. */
  join(place: Place, item: T): () => void;
  /** Whether the item whose turn it is comes first; undefined when nobody waits. */
  nextIsFirst(): boolean | undefined;
  /** The item whose turn it is: of each tenant the oldest, tenants one after the other. */
  next(): T | undefined;
  size(): number;
}

/** A line without a bound of its own: whoever lets join has one. */
export function createFairLine<T>(): FairLine<T> {
  const [first, others] = [createRound<T>(), createRound<T>()];
  return {
    join({ first: isFirst, tenantId }, item) {
      const round = isFirst ? first : others;
      // A token of its own, so that the same item may wait twice.
      const entry = { item };
      round.add(tenantId, entry);
      return () => round.remove(tenantId, entry);
    },
    nextIsFirst: () => (first.size() > 0 ? true : others.size() > 0 ? false : undefined),
    next: () => (first.take() ?? others.take())?.item,
    size: () => first.size() + others.size(),
  };
}

interface Entry<T> {
  readonly item: T;
}

interface Round<T> {
  add(tenantId: string, entry: Entry<T>): void;
  remove(tenantId: string, entry: Entry<T>): void;
  take(): Entry<T> | undefined;
  size(): number;
}

/** Maps and sets keep the order in which things were added: the tenant at the front has its turn, and goes to the back. */
function createRound<T>(): Round<T> {
  const tenants = new Map<string, Set<Entry<T>>>();
  let size = 0;
  const remove = (tenantId: string, entry: Entry<T>): void => {
    const waiting = tenants.get(tenantId);
    if (waiting?.delete(entry) !== true) return;
    size -= 1;
    if (waiting.size === 0) tenants.delete(tenantId);
  };
  return {
    add(tenantId, entry) {
      const waiting = tenants.get(tenantId);
      if (waiting === undefined) tenants.set(tenantId, new Set([entry]));
      else waiting.add(entry);
      size += 1;
    },
    remove,
    take() {
      for (const [tenantId, waiting] of tenants) {
        for (const entry of waiting) {
          tenants.delete(tenantId);
          tenants.set(tenantId, waiting);
          remove(tenantId, entry);
          return entry;
        }
      }
      return undefined;
    },
    size: () => size,
  };
}
