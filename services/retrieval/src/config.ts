/** The configuration: every environment variable that this service reads, checked once. */
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
import type { QueueBackend } from '@wardstone/queue';
import { z } from 'zod';
import { defaultBitsMaxChunks } from './domain/vector-steps.ts';
import type { KeeperOptions } from './jobs/index-keeper.ts';
import type { Limits } from './ports.ts';

/** Until a model that makes nothing of too many passages is asked again for those. */
const askAgainMs = 3_600_000;

const schema = z.object({
  ...serviceFields,
  ...embeddedFields,
  ...slotFields,
  WARDSTONE_DATABASE_URL: fields.postgresUrl,
  WARDSTONE_DATABASE_POOL_SIZE: fields.positiveInt.default(10),
  WARDSTONE_QUEUE_DATABASE_URL: fields.postgresUrl.optional(),
  WARDSTONE_REDIS_URL: fields.redisUrl.optional(),
  ...objectStoreFields,
  WARDSTONE_TENANT_KEY_URL: fields.url,
  WARDSTONE_AUDIT_URL: fields.url,
  WARDSTONE_EMBEDDING_URL: fields.url,
  WARDSTONE_INGESTION_URL: fields.url.optional(),
  /** Searches in flight; one more is told to come back later. */
  WARDSTONE_MAX_SEARCHES: fields.positiveInt.default(32),
  WARDSTONE_INDEX_CONCURRENCY: fields.positiveInt.default(2),
  WARDSTONE_TENANT_WORK_INTERVAL_MS: fields.durationMs.default(15_000),
  WARDSTONE_MERGE_INTERVAL_MS: fields.durationMs.default(2_000),
  WARDSTONE_MERGE_MIN_PARTS: fields.positiveInt.default(32),
  WARDSTONE_MERGE_MAX_AGE_MS: fields.durationMs.default(10_000),
  WARDSTONE_VECTOR_INDEX_MIN_CHUNKS: fields.positiveInt.default(defaultBitsMaxChunks),
  WARDSTONE_VECTOR_INDEX_INTERVAL_MS: fields.durationMs.default(60_000),
  WARDSTONE_REEMBED_INTERVAL_MS: fields.durationMs.default(15_000),
  WARDSTONE_OLD_VECTORS_KEPT_MS: fields.durationMs.default(600_000),
});

/** The service's configuration, by variable name, and where its queue lives. */
export type Config = Readonly<z.infer<typeof schema>> & { readonly queueBackend: QueueBackend };

/** Thrown: ConfigError listing every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const config = readConfig(schema, env);
  checkObjectStore(config);
  return Object.freeze({ ...config, queueBackend: queueBackendOf(config) });
}

/** Bounds of the handlers. */
export function limitsOf(config: Config): Limits {
  return { maxSearches: config.WARDSTONE_MAX_SEARCHES, tenantSlotPercent: config.WARDSTONE_TENANT_SLOT_PERCENT };
}

/** When unmerged keyword rows are merged, large tenants get an index of vectors, and tenants follow a change of the model. */
export function keeperOptions(config: Config): KeeperOptions {
  return {
    intervalMs: config.WARDSTONE_MERGE_INTERVAL_MS,
    minParts: config.WARDSTONE_MERGE_MIN_PARTS,
    maxAgeMs: config.WARDSTONE_MERGE_MAX_AGE_MS,
    vectorIndex: {
      minChunks: config.WARDSTONE_VECTOR_INDEX_MIN_CHUNKS,
      lookIntervalMs: config.WARDSTONE_VECTOR_INDEX_INTERVAL_MS,
    },
    reembed: {
      lookIntervalMs: config.WARDSTONE_REEMBED_INTERVAL_MS,
      keepOldMs: config.WARDSTONE_OLD_VECTORS_KEPT_MS,
      askAgainMs,
    },
  };
}

function queueBackendOf(config: Readonly<z.infer<typeof schema>>): QueueBackend {
  if (config.WARDSTONE_REDIS_URL !== undefined) return { redisUrl: config.WARDSTONE_REDIS_URL };
  if (config.WARDSTONE_QUEUE_DATABASE_URL !== undefined) return { postgresUrl: config.WARDSTONE_QUEUE_DATABASE_URL };
  throw new ConfigError(['WARDSTONE_QUEUE_DATABASE_URL: is required unless WARDSTONE_REDIS_URL is set']);
}
