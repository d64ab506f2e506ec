/** The configuration: every environment variable that this service reads, checked once. */
import {
  checkObjectStore,
  ConfigError,
  embeddedFields,
  fields,
  objectStoreFields,
  readConfig,
  refuseEmbeddedInProduction,
  serviceFields,
} from '@wardstone/config';
import type { QueueBackend } from '@wardstone/queue';
import { z } from 'zod';

const schema = z.object({
  ...serviceFields,
  ...embeddedFields,
  WARDSTONE_QUEUE_DATABASE_URL: fields.postgresUrl.optional(),
  WARDSTONE_REDIS_URL: fields.redisUrl.optional(),
  ...objectStoreFields,
  WARDSTONE_TENANT_KEY_URL: fields.url,
  WARDSTONE_AUDIT_URL: fields.url,
  WARDSTONE_INGESTION_URL: fields.url.optional(),
  WARDSTONE_EMBED_CONCURRENCY: fields.positiveInt.default(2),
  WARDSTONE_EMBED_BATCH_TEXTS: fields.positiveInt.default(32),
  WARDSTONE_EMBED_MAX_CALLS: fields.positiveInt.default(4),
});

/** The service's configuration, by variable name, and where its queue lives. */
export type Config = Readonly<z.infer<typeof schema>> & { readonly queueBackend: QueueBackend };

/** Thrown: ConfigError listing every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const config = readConfig(schema, env);
  checkObjectStore(config);
  refuseEmbeddedInProduction(config, 'the lexical embedding model');
  return Object.freeze({ ...config, queueBackend: queueBackendOf(config) });
}

function queueBackendOf(config: Readonly<z.infer<typeof schema>>): QueueBackend {
  if (config.WARDSTONE_REDIS_URL !== undefined) return { redisUrl: config.WARDSTONE_REDIS_URL };
  if (config.WARDSTONE_QUEUE_DATABASE_URL !== undefined) return { postgresUrl: config.WARDSTONE_QUEUE_DATABASE_URL };
  throw new ConfigError(['WARDSTONE_QUEUE_DATABASE_URL: is required unless WARDSTONE_REDIS_URL is set']);
}
