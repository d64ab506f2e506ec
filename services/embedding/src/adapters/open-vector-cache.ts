/** The cache of vectors that the configuration names, or none. */
import type { SealingKeys } from '@wardstone/crypto';
import type { Logger } from '@wardstone/telemetry';
import { Redis } from 'ioredis';
import type { VectorCacheConfig } from '../config.ts';
import type { EmbeddingMetrics } from '../metrics.ts';
import type { VectorCache } from '../ports.ts';
import { createFaultLog } from './cache-faults.ts';
import { createCacheRemoval, type CacheRemoval, type CacheRemovalOptions } from './cache-removal.ts';
import { createRedisVectorCache, type RedisVectorCacheOptions } from './redis-vector-cache.ts';

/** The cache, and what is done to it from outside. */
export interface OpenVectorCache extends VectorCache, CacheRemoval {}

/** Where there is none: nothing is found, and nothing kept. */
export const noVectorCache: OpenVectorCache = {
  read: () => Promise.resolve(new Map()),
  keep: () => Promise.resolve(),
  remove: () => undefined,
  close: () => Promise.resolve(),
};

const connectTimeoutMs = 3_000;
const commandTimeoutMs = 300;
/** With commands under way, and nothing heard for so long, the connection is given up and made anew. */
const silenceMs = 2_000;
const keepAliveDelayMs = 10_000;
const maxReconnectDelayMs = 2_000;

/** Other bounds than those of this service, for tests. */
export type CacheTuning = Pick<RedisVectorCacheOptions, 'timeoutMs' | 'restMs'> &
  Pick<CacheRemovalOptions, 'pauseMs'> & { readonly commandTimeoutMs?: number };

/** Connects in the background, as often as need be; waits for nothing. Commands that find no connection fail at once. */
export function openVectorCache(
  config: VectorCacheConfig | undefined,
  parts: {
    readonly keys: SealingKeys;
    readonly metrics: EmbeddingMetrics;
    readonly log: Logger;
    readonly tuning?: CacheTuning;
  },
): OpenVectorCache {
  if (config === undefined) return noVectorCache;
  const { keys, metrics, log, tuning = {} } = parts;
  const redis = new Redis(config.redisUrl, {
    // Private networks of some platforms are IPv6 only: 0 takes what the name resolves to.
    family: 0,
    connectionName: 'wardstone-embedding-cache',
    connectTimeout: connectTimeoutMs,
    commandTimeout: tuning.commandTimeoutMs ?? commandTimeoutMs,
    socketTimeout: silenceMs,
    keepAlive: keepAliveDelayMs,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), maxReconnectDelayMs),
    // A primary that became a replica takes nothing any more: the name leads to the new one.
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
  const warn = createFaultLog(log);
  redis.on('error', warn);
  const cache = createRedisVectorCache({ redis, keys, ttlMs: config.ttlMs, metrics, warn, ...tuning });
  const removal = createCacheRemoval({ redis, settled: cache.settled, metrics, warn, ...tuning });
  return {
    read: cache.read,
    keep: cache.keep,
    remove: removal.remove,
    close: async () => {
      await removal.close();
      await cache.settled();
      redis.disconnect();
    },
  };
}
