import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import pg from 'pg';
import { SteadyClient } from './steady-client.ts';

/** Lets one producer at a time, of all processes, look at a flow and change it. */
export interface Exclusive {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Flows that one process adds or removes at the same time; more wait for a connection. */
const connections = 4;

/** By advisory locks of Postgres; they end with their connection. */
export function postgresExclusive(options: pg.PoolConfig): Exclusive {
  const pool = new pg.Pool({ ...options, max: connections, Client: SteadyClient });
  // Idle connections that the server ends are replaced by the pool.
  pool.on('error', () => undefined);
  return {
    run: async (key, work) => {
      const client = await pool.connect();
      let sound = false;
      try {
        await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [`wardstone-flow ${key}`]);
        const result = await work();
        await client.query('select pg_advisory_unlock_all()');
        sound = true;
        return result;
      } finally {
        // A connection that may still hold the lock is ended, and the lock with it.
        client.release(!sound);
      }
    },
    close: async () => pool.end(),
  };
}

/** Longer than any call takes, so that a lock outlives nothing but its dead owner. */
const lockTtlMs = 15_000;
const lockWaitMs = 5_000;
const pollMs = 15;
const releaseScript = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

/** By keys of Redis with a time to live, deleted by their owner alone. */
export function redisExclusive(url: string, prefix: string, options: Omit<RedisOptions, 'replyMapping'>): Exclusive {
  const redis = new Redis(url, options);
  // Faults reach the caller by the command that fails.
  redis.on('error', () => undefined);
  return {
    run: async (key, work) => {
      const [name, owner] = [`${prefix}:flow-lock:${key}`, randomUUID()];
      const giveUpAt = performance.now() + lockWaitMs;
      while ((await redis.set(name, owner, 'PX', lockTtlMs, 'NX')) === null) {
        if (performance.now() > giveUpAt) throw new Error('the flow is being changed by another producer');
        await delay(pollMs);
      }
      try {
        return await work();
      } finally {
        await redis.eval(releaseScript, 1, name, owner).catch(() => undefined);
      }
    },
    close: async () => {
      redis.disconnect();
      return Promise.resolve();
    },
  };
}
