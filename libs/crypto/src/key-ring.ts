/** Purpose keys in memory: bounded by count, age and uses, fetched once however many ask, wiped when they go. */
import { AppError, needs } from '@wardstone/rpc';
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
  /** Clears: the end of a program that shuts down in order. Close who asks for keys first. */
  close(): Promise<void>;
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
  const bounds = { max: maxKeys, ttl: longestAgeMs, ttlAutopurge: true, ttlResolution: 0, perf: { now } };
  const held = new LRUCache<string, Held>({
    ...bounds,
    dispose: (entry) => {
      entry.key.fill(0);
    },
  });
  // Which version new writes use, for as long as the answer that said so may be kept.
  const currents = new LRUCache<string, number>(bounds);
  const flights = new Map<string, Promise<Held>>();
  let generation = 0;

  const load = async (tenantId: string, purpose: KeyPurpose, asked: number): Promise<Held> => {
    const startedIn = generation;
    const { key, version, currentVersion, maxAgeMs } = await fetch(tenantId, purpose, asked);
    if (key.byteLength !== keyBytes || version !== (asked === 0 ? currentVersion : asked)) {
      key.fill(0);
      throw new AppError('KEY_UNAVAILABLE', { cause: new Error('the source answered with another key') });
    }
    const ttl = Math.min(maxAgeMs, longestAgeMs);
    if (startedIn === generation && ttl > 0) {
      const series = `${tenantId}/${purpose}`;
      held.set(`${series}/${String(version)}`, { version, key: Uint8Array.from(key), uses: 0 }, { ttl });
      if (version === currentVersion) currents.set(series, version, { ttl });
    }
    return { version, key, uses: 0 };
  };

  /** One fetch for everybody who asks while it is under way; its bytes are wiped when all of them have a copy. */
  const share = (tenantId: string, purpose: KeyPurpose, asked: number): Promise<Held> => {
    const id = `${tenantId}/${purpose}/${String(asked)}`;
    const underWay = flights.get(id);
    if (underWay !== undefined) return underWay;
    const flight = load(tenantId, purpose, asked).finally(() => {
      if (flights.get(id) === flight) flights.delete(id);
    });
    flights.set(id, flight);
    // Who waits copies in a microtask; the macrotask comes after all of them.
    void flight.then(({ key }) => setImmediate(() => key.fill(0))).catch(() => undefined);
    return flight;
  };

  const find = async (tenantId: string, purpose: KeyPurpose, asked: number): Promise<PurposeKey> => {
    const series = `${tenantId}/${purpose}`;
    const wanted = asked === 0 ? currents.get(series) : asked;
    const id = `${series}/${String(wanted)}`;
    const entry = wanted === undefined ? undefined : held.get(id);
    if (entry !== undefined && entry.uses < maxUses) {
      entry.uses += 1;
      return { tenantId, purpose, version: entry.version, key: Uint8Array.from(entry.key) };
    }
    if (entry !== undefined) held.delete(id);
    const { version, key } = await share(tenantId, purpose, asked);
    return { tenantId, purpose, version, key: Uint8Array.from(key) };
  };

  const clear = (): void => {
    generation += 1;
    flights.clear();
    currents.clear();
    held.clear();
  };

  return {
    current: (tenantId, purpose) => find(tenantId, purpose, 0),
    version: async (tenantId, purpose, version) => {
      needs(Number.isSafeInteger(version) && version >= 1, 'KEY_VERSION_NOT_FOUND');
      return find(tenantId, purpose, version);
    },
    clear,
    close: () => {
      clear();
      return Promise.resolve();
    },
  };
}
