/** The Redis of the tests, and what may lie between it and the service. */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { createKeyRing, type KeyPurpose, type KeyRing } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import { eventually } from '@wardstone/testing';
import { Redis } from 'ioredis';
import { openVectorCache, type CacheTuning, type OpenVectorCache } from '../../src/adapters/open-vector-cache.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { CachedOf } from '../../src/ports.ts';

/** A suite on the Redis of WARDSTONE_TEST_REDIS_URL; none where there is no such server (CI has one). */
export function onRedis(title: string, tests: (redisUrl: string) => void): void {
  const redisUrl = process.env['WARDSTONE_TEST_REDIS_URL'] ?? '';
  if (redisUrl !== '') describe(title, () => tests(redisUrl));
}

/** A cache, with all that can be asked about it. */
export interface CacheBench {
  readonly cache: OpenVectorCache;
  readonly keys: TestKeys;
  readonly logLines: string[];
  /** What a counter stands at. */
  count(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  close(): Promise<void>;
}

/** Bounds that a slow machine does not meet by chance, and no pauses. */
export const patient: CacheTuning = { timeoutMs: 15_000, commandTimeoutMs: 15_000, restMs: 0, pauseMs: 5 };
/** Bounds as they are, without pauses: for what has to end although nobody answers. */
export const brisk: CacheTuning = { restMs: 0, pauseMs: 5 };

/** Opens a cache; waits for its connection unless told. */
export async function openCacheBench(
  redisUrl: string,
  options: { ttlMs?: number; tuning?: CacheTuning; keys?: TestKeys; waits?: boolean } = {},
): Promise<CacheBench> {
  const { ttlMs = 60_000, tuning = patient, keys = createTestKeys(), waits = true } = options;
  const registry = new Registry();
  const logLines: string[] = [];
  const telemetry = createTelemetry({
    service: 'embedding',
    version: '0',
    logLevel: 'info',
    destination: { write: (line: string) => void logLines.push(line) },
  });
  const parts = { keys: keys.ring, metrics: createMetrics(registry), log: telemetry.log, tuning };
  const cache = openVectorCache({ redisUrl, ttlMs }, parts);
  const bench: CacheBench = {
    cache,
    keys,
    logLines,
    count: async (name, labels = {}) => {
      const metric = await registry.getSingleMetric(`wardstone_embedding_${name}`)?.get();
      const isIt = (given: object): boolean =>
        Object.entries(labels).every(([label, value]) => Reflect.get(given, label) === value);
      return (metric?.values ?? []).filter((one) => isIt(one.labels)).reduce((sum, { value }) => sum + value, 0);
    },
    close: async () => {
      await cache.close();
      await telemetry.shutdown();
    },
  };
  if (waits) await eventually(async () => serves(bench), { description: 'the cache to be connected' });
  return bench;
}

/** Whether a look-up comes through. */
export async function serves({ cache, count }: CacheBench): Promise<boolean> {
  const before = await count('cache_failures_total', { operation: 'read' });
  await cache.read({ tenantId: randomUUID(), model: modelOf() }, ['nobody has embedded this']);
  return (await count('cache_failures_total', { operation: 'read' })) === before;
}

export function modelOf(id = 'amazon.titan-embed-text-v2:0/1024', dimensions = 8): CachedOf['model'] {
  return { id, dimensions };
}

/** A vector of `dimensions` that no other seed has. */
export function vectorOf(seed: number, dimensions = 8): Float32Array {
  return Float32Array.from({ length: dimensions }, (_, at) => Math.sin(seed * 31 + at));
}

/** Keys that follow from what they are for. */
export interface TestKeys {
  readonly ring: KeyRing;
  /** The version that new writes use. `ring.refresh` tells the ring of it. */
  current: number;
  /** What fetching throws, if anything, or waits for. */
  before: () => Promise<void>;
  /** What was fetched, as `tenant/purpose/version`; version 0 is the current one. */
  readonly asked: string[];
}

export function createTestKeys(secret = 'ours'): TestKeys {
  const digestOf = (text: string): Uint8Array => new Uint8Array(createHash('sha256').update(text).digest());
  const keys: TestKeys = {
    current: 1,
    before: () => Promise.resolve(),
    asked: [],
    ring: createKeyRing({
      fetch: async (tenantId: string, purpose: KeyPurpose, asked: number) => {
        keys.asked.push(`${tenantId}/${purpose}/${String(asked)}`);
        await keys.before();
        const version = asked === 0 ? keys.current : asked;
        if (version > keys.current) throw new AppError('KEY_VERSION_NOT_FOUND');
        const key = digestOf(`${secret}/${tenantId}/${purpose}/${String(version)}`);
        return { key, version, currentVersion: keys.current, maxAgeMs: 60_000 };
      },
    }),
  };
  return keys;
}

/** A client of the test's own, to look at what stands there. */
export interface RawRedis {
  readonly redis: Redis;
  /** Names of a tenant's entries. */
  names(tenantId: string): Promise<string[]>;
  close(): void;
}

export function openRawRedis(redisUrl: string): RawRedis {
  const redis = new Redis(redisUrl);
  return {
    redis,
    names: async (tenantId) => (await redis.keys('*')).filter((name) => name.includes(tenantId)),
    close: () => redis.disconnect(),
  };
}

/** A TCP relay that can be cut, be silent, and be mended. */
export interface Relay {
  readonly url: string;
  /** Ends every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Takes what comes and lets no answer through. */
  hush(): void;
  mend(): Promise<void>;
}

export async function openRelay(redisUrl: string): Promise<Relay> {
  const url = new URL(redisUrl);
  const target = { host: url.hostname, port: Number(url.port) };
  const pairs = new Set<readonly [client: Socket, upstream: Socket]>();
  let server: Server | undefined;
  let port = 0;
  let silent = false;

  const mend = async (): Promise<void> => {
    silent = false;
    // A connection that was silent has lost answers.
    for (const pair of pairs) for (const socket of pair) socket.destroy();
    if (server !== undefined) return;
    const next = createServer((client) => {
      const pair = [client, connect(target)] as const;
      const [, upstream] = pair;
      pairs.add(pair);
      for (const socket of pair) {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          pairs.delete(pair);
          for (const either of pair) either.destroy();
        });
      }
      client.pipe(upstream);
      upstream.on('data', (bytes) => void (silent || client.write(bytes)));
    });
    await new Promise<void>((resolve) => next.listen(port, '127.0.0.1', resolve));
    const address = next.address();
    if (address !== null && typeof address === 'object') port = address.port;
    server = next;
  };
  await mend();
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    cut: async () => {
      const last = server;
      server = undefined;
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      if (last !== undefined) await new Promise<void>((resolve) => last.close(() => resolve()));
    },
    hush: () => {
      silent = true;
    },
    mend,
  };
}
