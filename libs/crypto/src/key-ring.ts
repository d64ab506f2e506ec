/** Purpose keys in memory: bounded by count, age and uses, fetched once however many ask, wiped when they go. */
import { AppError } from '@wardstone/rpc';
import { LRUCache } from 'lru-cache';

/** Everything that a key may be used for. Each purpose has a key of its own (see derive.ts). */
export const keyPurposes = ['objects', 'content', 'terms', 'vectors', 'history'] as const;
/** What a key may be used for. */
export type KeyPurpose = (typeof keyPurposes)[number];

/** A key of one tenant, purpose and version. `key` (32 bytes) is a copy that belongs to who asked: wipe it after use. */
export interface PurposeKey {
  readonly tenantId: string;
  readonly purpose: KeyPurpose;
  readonly version: number;
  readonly key: Uint8Array;
}

/** Keys by tenant and purpose. Thrown by both lookups: whatever `fetch` throws. */
export interface KeyRing {
  /** The key that new writes use. */
  current(tenantId: string, purpose: KeyPurpose): Promise<PurposeKey>;
  /** The key of one version, to open what was written with it. */
  version(tenantId: string, purpose: KeyPurpose, version: number): Promise<PurposeKey>;
  /** Forgets and wipes everything; what is being fetched at this moment is not kept. */
  clear(): void;
}

/** Where keys come from and how long they stay. */
export interface KeyRingOptions {
  /** Fetches one key; version 0 is the current one. The bytes become the ring's: it wipes them. */
  readonly fetch: (tenantId: string, purpose: KeyPurpose, version: number) => Promise<FetchedKey>;
  /** Most keys held at a time; the least recently used goes first. Default 1,000. */
  readonly maxKeys?: number;
  /** After so many hand-outs a key is asked for again. Default 1,048,576. */
  readonly maxUses?: number;
  /** Milliseconds, monotonic for as long as the ring lives. Default `performance.now()`. */
  readonly now?: () => number;
}

/** A key as fetched, and how long it may be kept. */
export interface FetchedKey {
  readonly key: Uint8Array;
  readonly version: number;
  readonly currentVersion: number;
  readonly maxAgeMs: number;
}

interface Held {
  readonly version: number;
  readonly key: Uint8Array;
  uses: number;
}

/** No key is held longer than this, whatever its source allows. */
const longestAgeMs = 60 * 60_000;
const keyBytes = 32;

/** Makes a ring. It holds no timer that keeps a process alive. */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  const { fetch, maxKeys = 1000, maxUses = 2 ** 20, now = () => performance.now() } = options;
  // An entry's id names its version, or `current` for the key of new writes; each holds bytes of its own.
  const held = new LRUCache<string, Held>({
    max: maxKeys,
    ttl: longestAgeMs,
    ttlAutopurge: true,
    ttlResolution: 0,
    perf: { now },
    dispose: (entry) => {
      entry.key.fill(0);
    },
  });
  const fetching = new Map<string, Promise<Held>>();
  let generation = 0;

  const load = async (tenantId: string, purpose: KeyPurpose, version: number, id: string): Promise<Held> => {
    const startedIn = generation;
    const fetched = await fetch(tenantId, purpose, version);
    if (fetched.key.byteLength !== keyBytes || (version !== 0 && fetched.version !== version)) {
      fetched.key.fill(0);
      throw new AppError('KEY_UNAVAILABLE', { message: 'the key service answered with another key' });
    }
    const entry: Held = { version: fetched.version, key: fetched.key, uses: 0 };
    const ageMs = Math.min(fetched.maxAgeMs, longestAgeMs);
    if (startedIn === generation && ageMs > 0)
      held.set(id, { ...entry, key: Uint8Array.from(entry.key) }, { ttl: ageMs });
    return entry;
  };

  const find = async (tenantId: string, purpose: KeyPurpose, version: number): Promise<PurposeKey> => {
    const id = `${tenantId}/${purpose}/${version === 0 ? 'current' : String(version)}`;
    const entry = held.get(id);
    if (entry !== undefined && entry.uses < maxUses) {
      entry.uses += 1;
      return { tenantId, purpose, version: entry.version, key: Uint8Array.from(entry.key) };
    }
    if (entry !== undefined) held.delete(id);
    let flight = fetching.get(id);
    if (flight === undefined) {
      flight = load(tenantId, purpose, version, id);
      fetching.set(id, flight);
      flight.then(
        (loaded) => {
          fetching.delete(id);
          // Everybody who waited has copied the key by now: their continuations were registered before this timer.
          setImmediate(() => loaded.key.fill(0));
        },
        () => fetching.delete(id),
      );
    }
    const loaded = await flight;
    return { tenantId, purpose, version: loaded.version, key: Uint8Array.from(loaded.key) };
  };

  return {
    current: (tenantId, purpose) => find(tenantId, purpose, 0),
    version: async (tenantId, purpose, version) => {
      if (!Number.isSafeInteger(version) || version < 1) throw new AppError('KEY_UNAVAILABLE');
      return find(tenantId, purpose, version);
    },
    clear: () => {
      generation += 1;
      fetching.clear();
      held.clear();
    },
  };
}
