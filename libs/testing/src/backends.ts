import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { createTestDatabase } from './database.ts';

/** A queue backend opened for one suite: its options for `createQueue`, and means to make it go away. */
export interface OpenTestBackend {
  readonly backend: { readonly postgresUrl: string } | { readonly redisUrl: string; readonly prefix: string };
  /** Ends every connection to it, as a restart would; they may connect again. Gives their number. */
  terminateConnections(): Promise<number>;
  /** Removes everything it holds. */
  drop(): Promise<void>;
}

/** A queue backend that the conformance suite runs on. */
export interface TestBackend {
  readonly name: 'postgres' | 'redis';
  /** For Postgres, run `migrateQueue(backend.postgresUrl)` before using it. */
  open(): Promise<OpenTestBackend>;
}

/** Postgres always; Redis too when WARDSTONE_TEST_REDIS_URL is set. */
export function testBackends(): TestBackend[] {
  const redisUrl = process.env['WARDSTONE_TEST_REDIS_URL'];
  const postgres: TestBackend = { name: 'postgres', open: openPostgres };
  if (redisUrl === undefined || redisUrl === '') return [postgres];
  return [postgres, { name: 'redis', open: async () => openRedis(redisUrl) }];
}

async function openPostgres(): Promise<OpenTestBackend> {
  const database = await createTestDatabase({ schemas: [] });
  return {
    backend: { postgresUrl: database.queueUrl },
    terminateConnections: async () => database.terminateConnections(),
    drop: async () => database.drop(),
  };
}

async function openRedis(redisUrl: string): Promise<OpenTestBackend> {
  const prefix = `wardstone-test-${randomBytes(5).toString('hex')}`;
  const admin = new Redis(redisUrl, { lazyConnect: true, maxRetriesPerRequest: 1 });
  await admin.connect();
  return {
    backend: { redisUrl, prefix },
    terminateConnections: async () => Number(await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')),
    drop: async () => {
      for await (const keys of admin.scanStream({ match: `${prefix}:*`, count: 500 })) {
        const found: unknown = keys;
        if (Array.isArray(found) && found.length > 0) await admin.del(...found.map(String));
      }
      admin.disconnect();
    },
  };
}
