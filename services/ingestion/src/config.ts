/** The configuration: every environment variable that this service reads, checked once. */
import { availableParallelism } from 'node:os';
import {
  checkObjectStore,
  ConfigError,
  embeddedFields,
  fields,
  objectStoreFields,
  readConfig,
  serviceFields,
  slotFields,
} from '@wardstone/config';
import type { DatabaseOptions } from '@wardstone/db';
import type { QueueBackend } from '@wardstone/queue';
import { z } from 'zod';
import { entities } from './db/entities.ts';
import type { PoolOptions } from './extraction/pool.ts';
import type { ReconcilerOptions } from './jobs/reconciler.ts';
import type { Limits } from './ports.ts';

const MiB = 1024 * 1024;

const schema = z.object({
  ...serviceFields,
  ...embeddedFields,
  ...slotFields,
  WARDSTONE_DATABASE_URL: fields.postgresUrl,
  WARDSTONE_QUEUE_DATABASE_URL: fields.postgresUrl.optional(),
  WARDSTONE_REDIS_URL: fields.redisUrl.optional(),
  ...objectStoreFields,
  WARDSTONE_TENANT_KEY_URL: fields.url,
  WARDSTONE_AUDIT_URL: fields.url,
  WARDSTONE_RETRIEVAL_URL: fields.url,
  WARDSTONE_MAX_UPLOAD_BYTES: fields.bytes.default(2048 * MiB),
  WARDSTONE_MAX_EXTRACT_BYTES: fields.bytes.default(256 * MiB),
  WARDSTONE_MAX_PAGES: fields.positiveInt.default(5_000),
  WARDSTONE_MAX_TEXT_CHARS: fields.positiveInt.default(16 * MiB),
  WARDSTONE_EXTRACT_CONCURRENCY: fields.positiveInt.default(Math.max(1, Math.floor(availableParallelism() / 2))),
  WARDSTONE_EXTRACT_WINDOW: fields.positiveInt.optional(),
  WARDSTONE_EXTRACT_TENANT_SHARE_PERCENT: fields.positiveInt.pipe(z.number().max(100)).default(50),
  WARDSTONE_EXTRACT_TIMEOUT_MS: fields.durationMs.default(120_000),
  WARDSTONE_EXTRACT_PAGE_TIMEOUT_MS: fields.durationMs.default(60_000),
  WARDSTONE_EXTRACT_MAX_RSS_BYTES: fields.bytes.default(1536 * MiB),
  WARDSTONE_EXTRACT_MAX_HEAP_BYTES: fields.bytes.default(1024 * MiB),
  WARDSTONE_MAX_WATCHERS: fields.positiveInt.default(1_000),
  WARDSTONE_MAX_UPLOADS: fields.positiveInt.default(128),
  WARDSTONE_MAX_DOWNLOADS: fields.positiveInt.default(128),
  WARDSTONE_WATCH_INTERVAL_MS: fields.durationMs.default(5_000),
  WARDSTONE_RECONCILE_INTERVAL_MS: fields.durationMs.default(5_000),
  WARDSTONE_RECONCILE_GRACE_MS: fields.durationMs.default(10_000),
  WARDSTONE_TENANT_WORK_INTERVAL_MS: fields.durationMs.default(15_000),
  WARDSTONE_UPLOAD_IDLE_MS: fields.durationMs.default(15 * 60_000),
});

/** The service's configuration, by variable name, and what follows from several of them. */
export type Config = Readonly<z.infer<typeof schema>> & {
  readonly queueBackend: QueueBackend;
  /** Jobs of the stage `extract` that are taken from the queue at the same time. */
  readonly extractWindow: number;
};

/** Thrown: ConfigError listing every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const config = readConfig(schema, env);
  checkObjectStore(config);
  return Object.freeze({ ...config, queueBackend: queueBackendOf(config), extractWindow: extractWindowOf(config) });
}

function extractWindowOf(config: Readonly<z.infer<typeof schema>>): number {
  const concurrency = config.WARDSTONE_EXTRACT_CONCURRENCY;
  const window = config.WARDSTONE_EXTRACT_WINDOW ?? Math.max(64, 4 * concurrency);
  if (window >= concurrency) return window;
  throw new ConfigError(['WARDSTONE_EXTRACT_WINDOW: must be at least WARDSTONE_EXTRACT_CONCURRENCY']);
}

function queueBackendOf(config: Readonly<z.infer<typeof schema>>): QueueBackend {
  if (config.WARDSTONE_REDIS_URL !== undefined) return { redisUrl: config.WARDSTONE_REDIS_URL };
  if (config.WARDSTONE_QUEUE_DATABASE_URL !== undefined) return { postgresUrl: config.WARDSTONE_QUEUE_DATABASE_URL };
  throw new ConfigError(['WARDSTONE_QUEUE_DATABASE_URL: is required unless WARDSTONE_REDIS_URL is set']);
}

export function databaseOptions(config: Config): DatabaseOptions {
  return { url: config.WARDSTONE_DATABASE_URL, schema: 'ingestion', entities, applicationName: 'ingestion' };
}

/** Bounds of the handlers and jobs. */
export function limitsOf(config: Config): Limits {
  return {
    maxUploadBytes: config.WARDSTONE_MAX_UPLOAD_BYTES,
    maxExtractBytes: config.WARDSTONE_MAX_EXTRACT_BYTES,
    maxWatchers: config.WARDSTONE_MAX_WATCHERS,
    watchIntervalMs: config.WARDSTONE_WATCH_INTERVAL_MS,
    maxUploads: config.WARDSTONE_MAX_UPLOADS,
    maxDownloads: config.WARDSTONE_MAX_DOWNLOADS,
    tenantSlotPercent: config.WARDSTONE_TENANT_SLOT_PERCENT,
  };
}

/** Bounds of the processes that read documents. */
export function extractionLimits(config: Config): PoolOptions {
  const concurrency = config.WARDSTONE_EXTRACT_CONCURRENCY;
  return {
    concurrency,
    perTenant: Math.max(1, Math.floor((concurrency * config.WARDSTONE_EXTRACT_TENANT_SHARE_PERCENT) / 100)),
    maxHeapMiB: Math.ceil(config.WARDSTONE_EXTRACT_MAX_HEAP_BYTES / MiB),
    limits: {
      maxPages: config.WARDSTONE_MAX_PAGES,
      maxChars: config.WARDSTONE_MAX_TEXT_CHARS,
      maxRssBytes: config.WARDSTONE_EXTRACT_MAX_RSS_BYTES,
      timeoutMs: config.WARDSTONE_EXTRACT_TIMEOUT_MS,
      pageTimeoutMs: config.WARDSTONE_EXTRACT_PAGE_TIMEOUT_MS,
    },
  };
}

export function reconcilerOptions(config: Config): ReconcilerOptions {
  return {
    intervalMs: config.WARDSTONE_RECONCILE_INTERVAL_MS,
    graceMs: config.WARDSTONE_RECONCILE_GRACE_MS,
    uploadIdleMs: config.WARDSTONE_UPLOAD_IDLE_MS,
  };
}
