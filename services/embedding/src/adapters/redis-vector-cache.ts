/**
 * Vectors by the keyed digests of their texts, in a Redis or Valkey that may forget, be away or belong to a thief: what stands
 * there is sealed, and opens in its own place alone.
 */
import { createSubkeys, keyVersionOfSealed, openBytes, seal, type SealingKeys } from '@wardstone/crypto';
import { AppError, needs } from '@wardstone/rpc';
import type { ChainableCommander, Redis } from 'ioredis';
import {
  entryName,
  maxSealedChars,
  placeOf,
  textDigest,
  vectorBytes,
  vectorOfBytes,
  type EntryRef,
} from '../domain/cached-vector.ts';
import type { EmbeddingMetrics } from '../metrics.ts';
import type { CachedOf, VectorCache } from '../ports.ts';

/** Where entries are kept, and how. */
export interface RedisVectorCacheOptions {
  readonly redis: Pick<Redis, 'status' | 'pipeline'>;
  /** Of which the objects keys are asked for: embedding has a right to those, and what it keeps here is made of objects. */
  readonly keys: SealingKeys;
  readonly ttlMs: number;
  readonly metrics: Pick<EmbeddingMetrics, 'cached' | 'cacheFailed'>;
  /** Told of every fault. */
  readonly warn: (error: unknown) => void;
  /** One call, with the keys; 700 ms unless told. */
  readonly timeoutMs?: number;
  /** After a fault of Redis it is left alone for so long; 2 s unless told. */
  readonly restMs?: number;
}

/** The cache, and what its removal of tenants waits for. */
export interface RedisVectorCache extends VectorCache {
  /** Resolves when what was being kept when it was called is there, or has failed. */
  settled(): Promise<void>;
}

/** A job that is ended has 1 s for what is with the model, and 1.8 s to keep it (see embed-batches.ts). */
const defaults = { timeoutMs: 700, restMs: 2_000 };
const purpose = 'objects';

/** An entry, and the version of the key that it is named under. */
interface Entry extends EntryRef {
  readonly version: number;
}

export function createRedisVectorCache(given: RedisVectorCacheOptions): RedisVectorCache {
  const options = { ...defaults, ...given };
  const { redis, ttlMs, metrics, warn, timeoutMs, restMs } = options;
  const names = createSubkeys(options.keys, 'vector-cache-names/v1');
  const seals = createSubkeys(options.keys, 'vector-cache-values/v1');
  const keeping = new Set<Promise<void>>();
  let restsUntil = 0;

  /** What cannot be had is as good as not there. The bound holds for a key service that is slow, too. */
  const attempt = async <T>(operation: 'read' | 'keep', otherwise: T, work: () => Promise<T>): Promise<T> => {
    if (performance.now() < restsUntil) return otherwise;
    try {
      if (redis.status !== 'ready') throw notConnected();
      return await within(work(), timeoutMs);
    } catch (error) {
      metrics.cacheFailed(operation);
      warn(error);
      // What is wrong with the keys of one tenant is no reason to leave the others without; without a connection nobody waits.
      if (!(error instanceof AppError)) restsUntil = performance.now() + restMs;
      return otherwise;
    }
  };

  const entriesOf = async ({ tenantId, model }: CachedOf, texts: Iterable<string>): Promise<Map<string, Entry>> => {
    const { key, version } = await names.current(tenantId, purpose);
    try {
      const modelId = model.id;
      const entryOf = (text: string): Entry => ({ tenantId, modelId, digest: textDigest(key, modelId, text), version });
      return new Map([...texts].map((text) => [text, entryOf(text)]));
    } finally {
      key.fill(0);
    }
  };

  /** Undefined when it does not open in this place, or is no vector of the model. */
  const opened = async (entry: Entry, sealed: string, dimensions: number): Promise<Float32Array | undefined> => {
    try {
      // Before a key is asked for: whoever writes there must not make this service ask for versions that do not exist.
      if (keyVersionOfSealed(sealed) !== entry.version) return undefined;
      return vectorOfBytes(await openBytes(seals, purpose, placeOf(entry), sealed), dimensions);
    } catch (error) {
      if (AppError.from(error).reason === 'SEALED_VALUE_INVALID') return undefined;
      throw error;
    }
  };

  const readAll = async (of: CachedOf, texts: readonly string[]): Promise<Map<string, Float32Array>> => {
    const { dimensions } = of.model;
    const entries = [...(await entriesOf(of, texts))];
    // Not MGET: a value that somebody has blown up is not let in.
    const pipeline = redis.pipeline();
    for (const [, entry] of entries) pipeline.getrange(entryName(entry), 0, maxSealedChars(dimensions));
    const values = (await repliesOf(pipeline)).map(textOf);
    const found = new Map<string, Float32Array>();
    await Promise.all(
      entries.map(async ([text, entry], at) => {
        const sealed = values[at];
        const vector = sealed === undefined || sealed === '' ? undefined : await opened(entry, sealed, dimensions);
        if (vector !== undefined) found.set(text, vector);
      }),
    );
    const absent = values.filter((value) => value === '').length;
    metrics.cached('hit', found.size);
    metrics.cached('miss', absent);
    metrics.cached('unreadable', entries.length - absent - found.size);
    return found;
  };

  const keepAll = async (of: CachedOf, vectors: ReadonlyMap<string, Float32Array>): Promise<void> => {
    const entries = await entriesOf(of, vectors.keys());
    const sealed = await Promise.all(
      [...vectors].map(async ([text, vector]) => {
        const entry = entries.get(text);
        needs(entry !== undefined && vector.length === of.model.dimensions, 'INTERNAL');
        return [entryName(entry), await seal(seals, purpose, placeOf(entry), vectorBytes(vector))] as const;
      }),
    );
    const pipeline = redis.pipeline();
    for (const [name, value] of sealed) pipeline.set(name, value, 'PX', ttlMs);
    for (const [error] of await repliesOf(pipeline)) if (error !== null) throw error;
  };

  return {
    read: (of, texts) =>
      texts.length === 0 ? Promise.resolve(new Map()) : attempt('read', new Map(), () => readAll(of, texts)),
    keep: async (of, vectors) => {
      if (vectors.size === 0) return;
      await attempt('keep', undefined, () => {
        const work = keepAll(of, vectors);
        const ended = work.catch(() => undefined).finally(() => keeping.delete(ended));
        keeping.add(ended);
        return work;
      });
    },
    settled: async () => {
      await Promise.all(keeping);
    },
  };
}

function notConnected(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', { cause: new Error('there is no connection to the cache of vectors') });
}

type Reply = readonly [error: Error | null, value: unknown];

/** The replies to all commands, in one round trip. */
async function repliesOf(pipeline: ChainableCommander): Promise<readonly Reply[]> {
  return (await pipeline.exec()) ?? [];
}

/** What stands at a name: '' when nothing does, undefined when it is no string, which an entry is not either. */
function textOf([error, value]: Reply): string | undefined {
  if (error !== null && !error.message.startsWith('WRONGTYPE')) throw error;
  return typeof value === 'string' ? value : undefined;
}

/** Thrown: DEADLINE_EXCEEDED when the work has not ended by then; it goes on, and nobody hears of it any more. */
async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new AppError('DEADLINE_EXCEEDED')), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
