/**
 * Purpose keys in memory: bounded by count, age and uses, fetched once however many ask, wiped when they go. What seals
 * under a key does so on a lease: so many hand-outs, counted by the source, because AES-GCM with random IVs allows 2^32
 * uses of one key (NIST SP 800-38D, 8.3).
 */
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
  /** The key that new writes use, for one use: each hand-out is taken from the lease. */
  current(tenantId: string, purpose: KeyPurpose): Promise<PurposeKey>;
  /** The key of one version, to open what was written with it. Takes nothing from a lease. */
  version(tenantId: string, purpose: KeyPurpose, version: number): Promise<PurposeKey>;
  /** Forgets and wipes every key of a tenant, for when it loses them; what is being fetched at this moment is not kept. */
  forget(tenantId: string): void;
  /** Forgets which versions of a tenant's keys are current, so that new writes ask again; what is held goes on opening. */
  refresh(tenantId: string): void;
  /** Forgets and wipes everything; what is being fetched at this moment is not kept. */
  clear(): void;
  /** Clears: the end of a program that shuts down in order. Close who asks for keys first. */
  close(): Promise<void>;
}

/** Where keys come from and how long they stay. */
export interface KeyRingOptions {
  /**
   * Fetches one key; version 0 is the current one. The bytes become the ring's: it wipes them. `unused` comes with a
   * request for the current key, at most once, so that a fetch that fails has lost it: counting too many uses is safe.
   */
  readonly fetch: (tenantId: string, purpose: KeyPurpose, version: number, unused?: UnusedUses) => Promise<FetchedKey>;
  /** Most keys held at a time; the least recently used goes first. Default 1,000. */
  readonly maxKeys?: number;
  /** After so many hand-outs, of either kind, a key is asked for again. Default 1,048,576. */
  readonly maxUses?: number;
  /** Milliseconds, above 0, monotonic for as long as the ring lives. Default `performance.now()`. */
  readonly now?: () => number;
}

/** A key as fetched, how long it may be kept, and how often it may be handed out to seal with. */
export interface FetchedKey {
  readonly key: Uint8Array;
  readonly version: number;
  readonly currentVersion: number;
  readonly maxAgeMs: number;
  /** The lease of a current key, at least 1: `current()` hands it out so often, then asks again. Absent: nobody counts. */
  readonly maxUses?: number;
}

/** Hand-outs of former leases of one version that nobody used, given back to the source. */
export interface UnusedUses {
  readonly version: number;
  readonly uses: number;
}

interface Held {
  readonly version: number;
  readonly key: Uint8Array;
  uses: number;
}

/** What new writes use, and how often they still may. */
interface Lease {
  readonly version: number;
  left: number;
}

/** A fetch under way. */
interface Flight {
  readonly tenantId: string;
  readonly purpose: KeyPurpose;
  /** 0: the current one. */
  readonly asked: number;
  keepsKey: boolean;
  keepsLease: boolean;
}

/** What a fetch gave. `key` is wiped in the next turn of the event loop, when everybody who waited has a copy. */
interface Landed {
  readonly version: number;
  readonly key: Uint8Array;
  readonly lease: Lease;
}

/** No key is held longer than this, whatever its source allows. */
const longestAgeMs = 60 * 60_000;
const keyBytes = 32;
/** Leases that one request waits through when others take them whole before its turn comes. */
const maxTurns = 1000;

/** Makes a ring. It holds no timer that keeps a process alive. */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  return new Ring(options);
}

class Ring implements KeyRing {
  readonly #fetch: KeyRingOptions['fetch'];
  readonly #maxUses: number;
  /** By tenant, purpose and version. */
  readonly #held: LRUCache<string, Held>;
  /** By tenant and purpose, for as long as the answer that said so may be kept. */
  readonly #leases: LRUCache<string, Lease>;
  /** By tenant and purpose: what is to be given back. */
  readonly #unused: LRUCache<string, UnusedUses>;
  readonly #flights = new Map<string, Flight & { readonly landing: Promise<Landed> }>();

  constructor({ fetch, maxKeys = 1000, maxUses = 2 ** 20, now = () => performance.now() }: KeyRingOptions) {
    this.#fetch = fetch;
    this.#maxUses = maxUses;
    const bounds = { max: maxKeys, ttl: longestAgeMs, ttlAutopurge: true, ttlResolution: 0, perf: { now } };
    this.#held = new LRUCache({
      ...bounds,
      dispose: ({ key }) => {
        key.fill(0);
      },
    });
    this.#leases = new LRUCache({
      ...bounds,
      dispose: (lease, series) => {
        this.#giveBack(series, lease);
      },
    });
    this.#unused = new LRUCache({ max: maxKeys });
  }

  async current(tenantId: string, purpose: KeyPurpose): Promise<PurposeKey> {
    const series = `${tenantId}/${purpose}`;
    for (let turn = 1; turn <= maxTurns; turn += 1) {
      const lease = this.#leases.get(series);
      if (lease !== undefined && lease.left > 0) {
        const entry = this.#use(`${series}/${String(lease.version)}`);
        if (entry !== undefined) {
          lease.left -= 1;
          return copyFor(tenantId, purpose, entry);
        }
      }
      // Used up, or its key is gone: what is left of it goes back with the request for the next one.
      this.#leases.delete(series);
      const landed = await this.#share(tenantId, purpose, 0);
      if (landed.lease.left > 0) {
        landed.lease.left -= 1;
        return copyFor(tenantId, purpose, landed);
      }
    }
    throw new AppError('KEY_UNAVAILABLE', { cause: new Error('others used up every lease') });
  }

  async version(tenantId: string, purpose: KeyPurpose, version: number): Promise<PurposeKey> {
    needs(Number.isSafeInteger(version) && version >= 1, 'KEY_VERSION_NOT_FOUND');
    const entry = this.#use(`${tenantId}/${purpose}/${String(version)}`);
    return copyFor(tenantId, purpose, entry ?? (await this.#share(tenantId, purpose, version)));
  }

  forget(tenantId: string): void {
    this.#leaveBehind(tenantId, (flight) => {
      flight.keepsKey = false;
      flight.keepsLease = false;
      return true;
    });
    deleteOf(this.#leases, tenantId);
    deleteOf(this.#held, tenantId);
  }

  refresh(tenantId: string): void {
    this.#leaveBehind(tenantId, (flight) => {
      flight.keepsLease = false;
      return flight.asked === 0;
    });
    deleteOf(this.#leases, tenantId);
  }

  clear(): void {
    for (const flight of this.#flights.values()) {
      flight.keepsKey = false;
      flight.keepsLease = false;
    }
    this.#flights.clear();
    this.#leases.clear();
    this.#held.clear();
  }

  close(): Promise<void> {
    this.clear();
    return Promise.resolve();
  }

  /** A key that is held and may be handed out once more; undefined when it has to be fetched. */
  #use(id: string): Held | undefined {
    const entry = this.#held.get(id);
    if (entry === undefined) return undefined;
    if (entry.uses >= this.#maxUses) {
      this.#held.delete(id);
      return undefined;
    }
    entry.uses += 1;
    return entry;
  }

  /** One fetch for everybody who asks while it is under way; its bytes are wiped when all of them have a copy. */
  #share(tenantId: string, purpose: KeyPurpose, asked: number): Promise<Landed> {
    const id = `${tenantId}/${purpose}/${String(asked)}`;
    const underWay = this.#flights.get(id);
    if (underWay !== undefined) return underWay.landing;
    const flight: Flight = { tenantId, purpose, asked, keepsKey: true, keepsLease: true };
    const landing = this.#load(flight).finally(() => {
      if (this.#flights.get(id)?.landing === landing) this.#flights.delete(id);
    });
    this.#flights.set(id, Object.assign(flight, { landing }));
    // Who waits copies in a microtask; the macrotask comes after all of them. A failure is theirs to report.
    const settle = ({ key, lease }: Landed): void => {
      key.fill(0);
      const series = `${tenantId}/${purpose}`;
      if (this.#leases.peek(series) !== lease) this.#giveBack(series, lease);
    };
    landing.then(
      (landed) => setImmediate(settle, landed),
      () => undefined,
    );
    return landing;
  }

  async #load(flight: Flight): Promise<Landed> {
    const { tenantId, purpose, asked } = flight;
    const series = `${tenantId}/${purpose}`;
    const unused = asked === 0 ? this.#unused.get(series) : undefined;
    if (asked === 0) this.#unused.delete(series);
    const {
      key,
      version,
      currentVersion,
      maxAgeMs,
      maxUses = Infinity,
    } = await this.#fetch(tenantId, purpose, asked, unused);
    const asWanted = key.byteLength === keyBytes && version === (asked === 0 ? currentVersion : asked);
    if (!asWanted || (asked === 0 && !(maxUses >= 1))) {
      key.fill(0);
      throw new AppError('KEY_UNAVAILABLE', { cause: new Error('the source answered with another key') });
    }
    const lease = { version, left: asked === 0 ? maxUses : 0 };
    // Another version is current by now: new writes ask for it.
    if ((this.#leases.peek(series)?.version ?? currentVersion) < currentVersion) this.#leases.delete(series);
    const ttl = Math.min(maxAgeMs, longestAgeMs);
    if (!flight.keepsKey || !(ttl > 0)) return { version, key, lease };
    // A copy for who waits: whatever wipes the held one before they have theirs, none of them gets zeros for a key.
    const landed = { version, key: Uint8Array.from(key), lease };
    this.#held.set(`${series}/${String(version)}`, { version, key, uses: 0 }, { ttl });
    if (asked === 0 && flight.keepsLease) this.#leases.set(series, lease, { ttl });
    return landed;
  }

  /** Remembers what is left of a lease for the next request, once; of the newest version only. */
  #giveBack(series: string, lease: Lease): void {
    const { version, left } = lease;
    lease.left = 0;
    if (left === 0 || left === Infinity) return;
    const before = this.#unused.get(series);
    if (before !== undefined && before.version > version) return;
    const uses = before?.version === version ? before.uses + left : left;
    this.#unused.set(series, { version, uses });
  }

  /** Marks what is under way for a tenant; nobody new joins a flight for which `mark` answers true. */
  #leaveBehind(tenantId: string, mark: (flight: Flight) => boolean): void {
    for (const [id, flight] of this.#flights) {
      if (flight.tenantId === tenantId && mark(flight)) this.#flights.delete(id);
    }
  }
}

function copyFor(tenantId: string, purpose: KeyPurpose, { version, key }: Held | Landed): PurposeKey {
  return { tenantId, purpose, version, key: new Uint8Array(key) };
}

/** Deletes a tenant's entries; their `dispose` is called. */
function deleteOf<Value extends object>(cache: LRUCache<string, Value>, tenantId: string): void {
  // What has expired and waits for its timer is not among the keys.
  cache.purgeStale();
  for (const id of [...cache.keys()]) if (id.startsWith(`${tenantId}/`)) cache.delete(id);
}
