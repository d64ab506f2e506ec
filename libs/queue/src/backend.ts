import {
  ConnectionClosedError,
  createPostgresBackend,
  createRedisBackend,
  isPgPool,
  withBackend,
  type BackendFactory,
  type ConnectionOptions,
  type IQueueBackend,
  type PostgresQueueBackend,
  type Processor,
  type WorkerOptions,
} from 'bullmq';
import pg from 'pg';
import { postgresExclusive, redisExclusive, type Exclusive } from './exclusive.ts';
import { isConnectionFault } from './faults.ts';
import { SteadyClient } from './steady-client.ts';

/** Where the queue lives. Redis keys begin with `prefix`, `wardstone` unless told; on Postgres it is the schema `bullmq`. */
export type QueueBackend = { readonly postgresUrl: string } | { readonly redisUrl: string; readonly prefix?: string };

/** What a worker is made with, apart from its connection. */
export type StageWorkerOptions = Omit<WorkerOptions, 'connection' | 'prefix'>;

/** BullMQ's classes bound to one backend. Only this file knows which one it is. */
export interface QueueClasses {
  /** A producer of flows: few connections, calls fail rather than wait. */
  flowProducer(): FlowHandle;
  worker(queueName: string, processor: Processor, options: StageWorkerOptions): WorkerHandle;
}

/** The part of BullMQ's FlowProducer that is used. */
export interface FlowHandle {
  add(flow: FlowNode): Promise<unknown>;
  waitUntilReady(): Promise<void>;
  close(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Runs work while no other producer of any process runs work for the same key. */
  exclusively<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Operations on the jobs of one queue, over the producer's own connection. */
  queue(queueName: string): Pick<IQueueBackend, 'getState' | 'getCounts' | 'remove'>;
}

/** A job and the jobs that run before it. */
export interface FlowNode {
  readonly name: string;
  readonly queueName: string;
  readonly data: unknown;
  readonly opts: Record<string, unknown>;
  readonly children?: FlowNode[];
}

/** The part of BullMQ's Worker that is used. */
export interface WorkerHandle {
  run(): Promise<void>;
  waitUntilReady(): Promise<void>;
  close(force?: boolean): Promise<void>;
  isRunning(): boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'stalled', listener: (jobId: string) => void): unknown;
  on(event: 'lockRenewalFailed', listener: (jobIds: string[]) => void): unknown;
}

const connectTimeoutMs = 3_000;
const commandTimeoutMs = 10_000;
const producerConnections = 4;
const keepAliveDelayMs = 10_000;
const maxReconnectDelayMs = 2_000;

/** Chooses the backend once; the rest of the library does not ask again. */
export function queueClasses(backend: QueueBackend): QueueClasses {
  return 'redisUrl' in backend
    ? redisClasses(backend.redisUrl, backend.prefix ?? 'wardstone')
    : postgresClasses(backend.postgresUrl);
}

function postgresClasses(connectionString: string): QueueClasses {
  const { FlowProducer, Worker } = withBackend(steadyPostgres);
  const options = (name: string, max: number): pg.PoolConfig => ({
    connectionString,
    max,
    application_name: `wardstone-queue-${name}`,
    options: '-c search_path=bullmq',
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: commandTimeoutMs,
    query_timeout: commandTimeoutMs + connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
  });
  return {
    flowProducer: () => {
      const producer = new FlowProducer({ connection: options('producer', producerConnections) });
      return flowHandle(producer, undefined, postgresExclusive(options('producer-lock', producerConnections)));
    },
    worker: (queueName, processor, workerOptions) => {
      // One to listen, and a few for jobs that begin and end: each takes one for milliseconds.
      const max = Math.min(3 + Math.ceil((workerOptions.concurrency ?? 1) / 2), 12);
      return new Worker(queueName, processor, { ...workerOptions, connection: options(queueName, max) });
    },
  };
}

function redisClasses(url: string, prefix: string): QueueClasses {
  const { FlowProducer, Worker } = withBackend<IQueueBackend, ConnectionOptions>(createRedisBackend);
  const socket = {
    // Private networks of some platforms are IPv6 only: 0 takes what the name resolves to.
    family: 0,
    connectTimeout: connectTimeoutMs,
    keepAlive: keepAliveDelayMs,
    retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), maxReconnectDelayMs),
  };
  const shared = { ...socket, url };
  return {
    flowProducer: () => {
      const connection = {
        ...shared,
        commandTimeout: commandTimeoutMs,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 1,
      };
      // Its first command may come before it is connected, and waits for that one attempt.
      const lockConnection = { ...socket, commandTimeout: connectTimeoutMs, maxRetriesPerRequest: 1 };
      const exclusive = redisExclusive(url, prefix, lockConnection);
      return flowHandle(new FlowProducer({ connection, prefix }), prefix, exclusive);
    },
    worker: (queueName, processor, options) =>
      new Worker(queueName, processor, {
        ...options,
        prefix,
        connection: { ...shared, maxRetriesPerRequest: null },
      }),
  };
}

interface Producer {
  add(flow: FlowNode): Promise<unknown>;
  waitUntilReady(): Promise<void>;
  close(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  getBackend(): IQueueBackend;
}

function flowHandle(producer: Producer, prefix: string | undefined, exclusive: Exclusive): FlowHandle {
  return {
    add: async (flow) => producer.add(flow),
    waitUntilReady: async () => producer.waitUntilReady(),
    close: async () => {
      await Promise.all([producer.close(), exclusive.close()]);
    },
    exclusively: async (key, work) => exclusive.run(key, work),
    on: (event, listener) => producer.on(event, listener),
    queue: (queueName) => producer.getBackend().forQueue(queueName, prefix),
  };
}

/**
 * BullMQ's Postgres backend, on a pool of our own and with two of its faults mended. The clients that it makes itself can
 * end the process when the server ends a connection at the wrong moment (see SteadyClient). And its worker pauses and
 * repeats an operation when the connection is refused, but takes every other way in which Postgres goes away (back-end
 * terminated, server starting, no slot free) for a failure of the job: here they all look like a closed connection.
 */
const steadyPostgres: BackendFactory<PostgresQueueBackend, pg.PoolConfig> = (name, options, more) => {
  const pool = new pg.Pool({ ...options.connection, Client: SteadyClient });
  if (!isPgPool(pool)) throw new TypeError('BullMQ no longer takes a pool of pg');
  const backend = createPostgresBackend(name, { ...options, connection: pool }, more);
  let closing: Promise<void> | undefined;
  const close = async (force?: boolean): Promise<void> => {
    closing ??= backend.close(force).finally(async () => pool.end());
    return closing;
  };
  return new Proxy(backend, {
    get(target, property) {
      if (property === 'close') return close;
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, target, args);
        return result instanceof Promise ? result.catch(asConnectionClosed) : result;
      };
    },
  });
};

function asConnectionClosed(error: unknown): never {
  throw isConnectionFault(error) ? new ConnectionClosedError() : error;
}
