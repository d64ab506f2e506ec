import {
  createPostgresBackend,
  Queue as BullQueue,
  Worker as BullWorker,
  withBackend,
  type Job,
  type JobsOptions,
} from 'bullmq';
import type { OpenTestBackend } from '@wardstone/testing';
import { Redis } from 'ioredis';
import pg from 'pg';
import { stageJobId, type Stage, type StageJob } from '../../src/index.ts';

/** Makes one job vanish from the store, as a restored backup or an evicting Redis would. */
export async function loseJob({ backend }: OpenTestBackend, stage: Stage, job: StageJob): Promise<void> {
  const id = stageJobId(stage, job);
  if ('postgresUrl' in backend) {
    await withPostgres(backend.postgresUrl, async (client) =>
      client.query('delete from bullmq.job where queue = $1 and id = $2', [stage, id]),
    );
    return;
  }
  await withRedis(backend.redisUrl, async (redis) => {
    await redis.del(`${backend.prefix}:${stage}:${id}`, `${backend.prefix}:${stage}:${id}:lock`);
    await redis.lrem(`${backend.prefix}:${stage}:wait`, 0, id);
  });
}

/** Adds a job past our own producer, as someone with rights on the store could. */
export async function forgeJob(
  { backend }: OpenTestBackend,
  stage: Stage,
  data: unknown,
  options: JobsOptions,
): Promise<void> {
  const queue = rawQueue(backend, stage);
  await queue.add(stage, data, options);
  await queue.close();
}

/** A job as the store holds it. */
export async function storedJob(
  { backend }: OpenTestBackend,
  stage: Stage,
  job: StageJob,
): Promise<Pick<Job, 'data' | 'returnvalue' | 'failedReason'>> {
  const queue = rawQueue(backend, stage);
  const found = await queue.getJob(stageJobId(stage, job));
  await queue.close();
  if (found === undefined) throw new Error(`no job ${stage} is stored`);
  return found;
}

/** Writes a job's progress, as someone with rights on the store could. */
export async function forgeProgress(
  { backend }: OpenTestBackend,
  stage: Stage,
  job: StageJob,
  progress: object,
): Promise<void> {
  const queue = rawQueue(backend, stage);
  await queue.getJob(stageJobId(stage, job)).then(async (found) => found?.updateProgress(progress));
  await queue.close();
}

/** A worker that takes a stage's jobs with nothing but the store's credential. */
export async function strangeWorker(
  { backend }: OpenTestBackend,
  stage: Stage,
  processor: (job: Job) => Promise<unknown>,
): Promise<{ close(): Promise<void> }> {
  const worker =
    'postgresUrl' in backend
      ? new (withBackend(createPostgresBackend).Worker)(stage, processor, { connection: backend.postgresUrl })
      : new BullWorker(stage, processor, { connection: { url: backend.redisUrl }, prefix: backend.prefix });
  worker.on('error', () => undefined);
  await worker.waitUntilReady();
  return worker;
}

function rawQueue(backend: OpenTestBackend['backend'], stage: Stage): Pick<BullQueue, 'add' | 'getJob' | 'close'> {
  return 'postgresUrl' in backend
    ? new (withBackend(createPostgresBackend).Queue)(stage, { connection: backend.postgresUrl })
    : new BullQueue(stage, { connection: { url: backend.redisUrl }, prefix: backend.prefix });
}

/** Everything that the store holds, as text. */
export async function dumpStore({ backend }: OpenTestBackend): Promise<string> {
  if ('postgresUrl' in backend) {
    return withPostgres(backend.postgresUrl, async (client) => {
      const parts: string[] = [];
      for (const table of ['job', 'job_dependency', 'job_log', 'event']) {
        const { rows } = await client.query(`select to_jsonb(t)::text as row from bullmq.${table} t`);
        parts.push(JSON.stringify(rows));
      }
      return parts.join('\n');
    });
  }
  return withRedis(backend.redisUrl, async (redis) => {
    const parts: string[] = [];
    for (const key of await redis.keys(`${backend.prefix}:*`)) {
      const type = await redis.type(key);
      if (type === 'hash') parts.push(key, JSON.stringify(await redis.hgetall(key)));
      if (type === 'stream') parts.push(key, JSON.stringify(await redis.xrange(key, '-', '+')));
      if (type === 'string') parts.push(key, (await redis.get(key)) ?? '');
    }
    return parts.join('\n');
  });
}

async function withPostgres<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
