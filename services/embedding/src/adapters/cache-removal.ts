/**
 * Removes what the cache of vectors holds of tenants that leave. Their keys are gone before it begins, so that nothing is kept for them
 * any more; a pass over all names is bounded, safe to be cut off, and done again until it has come to its end.
 */
import { type Closable, pause } from '@wardstone/rpc';
import type { Redis } from 'ioredis';
import { namesOfTenants, tenantOfName } from '../domain/cached-vector.ts';
import type { EmbeddingMetrics } from '../metrics.ts';

export interface CacheRemovalOptions {
  readonly redis: Pick<Redis, 'status' | 'scan' | 'unlink'>;
  /** Waits for what is being kept at that moment. */
  readonly settled: () => Promise<void>;
  readonly metrics: Pick<EmbeddingMetrics, 'cacheFailed' | 'cacheRemoved'>;
  /** Told of every fault. */
  readonly warn: (error: unknown) => void;
  /** Between the end of one pass and the next; a minute unless told. */
  readonly pauseMs?: number;
}

export interface CacheRemoval extends Closable {
  /** Entries of this tenant go, soon. May be told again and again. */
  remove(tenantId: string): void;
}

/** Names that the server looks at in one step. */
const namesPerScan = 1_000;
/** Beyond a hundred million names a pass is given up, and begun again after the pause. */
const maxScans = 100_000;
const defaultPauseMs = 60_000;

export function createCacheRemoval(options: CacheRemovalOptions): CacheRemoval {
  const { redis, settled, metrics, warn, pauseMs = defaultPauseMs } = options;
  const leaving = new Set<string>();
  const ended = new AbortController();
  let running: Promise<void> | undefined;

  const passes = async (): Promise<void> => {
    while (leaving.size > 0 && !ended.signal.aborted) {
      const tenants = new Set(leaving);
      leaving.clear();
      try {
        await settled();
        metrics.cacheRemoved(await pass(redis, tenants, ended.signal));
      } catch (error) {
        for (const tenantId of tenants) leaving.add(tenantId);
        if (ended.signal.aborted) return;
        metrics.cacheFailed('remove');
        warn(error);
      }
      await pause(pauseMs, ended.signal);
    }
  };

  return {
    remove(tenantId) {
      leaving.add(tenantId);
      running ??= passes().finally(() => (running = undefined));
    },
    close: async () => {
      ended.abort();
      await running;
    },
  };
}

/** Every entry of these tenants that was there when it began. Gives their number. Thrown: what Redis fails with. */
async function pass(
  redis: CacheRemovalOptions['redis'],
  tenants: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<number> {
  // One tenant's names are chosen by the server; of many, one pass for all of them is cheaper than one for each.
  const [first] = tenants;
  const pattern = namesOfTenants(tenants.size === 1 ? first : undefined);
  let removed = 0;
  let cursor = '0';
  for (let step = 1; step <= maxScans; step += 1) {
    signal.throwIfAborted();
    if (redis.status !== 'ready') throw new Error('there is no connection to the cache');
    const [next, names] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', namesPerScan);
    const theirs = names.filter((name) => tenants.has(tenantOfName(name) ?? ''));
    if (theirs.length > 0) removed += await redis.unlink(...theirs);
    if (next === '0') return removed;
    cursor = next;
  }
  throw new Error('there are more names than a pass looks at');
}
