/** The configuration: every environment variable that this service reads, checked once. */
import {
  awsRegion,
  checkObjectStore,
  ConfigError,
  embeddedFields,
  fields,
  objectStoreFields,
  readConfig,
  refuseClearBedrockInProduction,
  refuseEmbeddedInProduction,
  serviceFields,
  slotFields,
} from '@wardstone/config';
import type { QueueBackend } from '@wardstone/queue';
import { z } from 'zod';
import { lexicalModelId } from './domain/lexical-embedder.ts';
import { titanDimensions, titanModel, titanModelId, type TitanDimensions } from './domain/titan-models.ts';

const titanIds: ReadonlyMap<string, TitanDimensions> = new Map(
  titanDimensions.map((dimensions) => [titanModelId(dimensions), dimensions]),
);

/** Ids of models as they stand with stored vectors. */
const keptModels = fields.list.refine(
  (ids) => ids.every((id) => id === lexicalModelId || titanIds.has(id)),
  `must be ids of models, of ${[lexicalModelId, ...titanIds.keys()].join(', ')}`,
);

const dayMs = 24 * 60 * 60_000;

/** From a minute to a year: longer than a timer can hold, which none has to. */
const cacheTtlMs = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number)
  .pipe(
    z
      .number()
      .min(60_000)
      .max(366 * dayMs),
  );

const schema = z.object({
  ...serviceFields,
  ...embeddedFields,
  ...slotFields,
  WARDSTONE_QUEUE_DATABASE_URL: fields.postgresUrl.optional(),
  WARDSTONE_REDIS_URL: fields.redisUrl.optional(),
  ...objectStoreFields,
  WARDSTONE_TENANT_KEY_URL: fields.url,
  WARDSTONE_AUDIT_URL: fields.url,
  WARDSTONE_INGESTION_URL: fields.url.optional(),
  WARDSTONE_EMBED_CONCURRENCY: fields.positiveInt.default(2),
  WARDSTONE_EMBED_BATCH_TEXTS: fields.positiveInt.default(32),
  WARDSTONE_EMBED_MAX_CALLS: fields.positiveInt.default(4),
  /** Calls of `Embed` in flight with questions, and as many again with passages; one more is told to come back later. */
  WARDSTONE_EMBED_MAX_REQUESTS: fields.positiveInt.default(64),
  /** What documents, and questions unless told, are embedded with. */
  WARDSTONE_EMBEDDING_MODEL: z.enum(['lexical', 'titan']).default('lexical'),
  /** Further models that questions may be asked of, while the index holds vectors of theirs. */
  WARDSTONE_EMBEDDING_KEPT_MODELS: keptModels.default([]),
  /** Required with Titan. */
  WARDSTONE_BEDROCK_REGION: awsRegion.optional(),
  /** Instead of the address of Bedrock in the region. */
  WARDSTONE_BEDROCK_ENDPOINT: fields.url.optional(),
  /** What is invoked: the model's id, or the ARN of a provisioned throughput or an inference profile of that model. */
  WARDSTONE_TITAN_MODEL_ID: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9.:/_-]{0,2047}$/, 'must be the id or ARN of a model')
    .default(titanModel),
  WARDSTONE_TITAN_DIMENSIONS: z
    .enum(titanDimensions.map(String))
    .default(String(titanDimensions[0]))
    .transform(Number)
    .pipe(z.literal([...titanDimensions])),
  WARDSTONE_TITAN_MAX_CONCURRENCY: fields.positiveInt.default(32),
  WARDSTONE_TITAN_MICRO_USD_PER_1000_TOKENS: fields.nonNegativeInt.default(20),
  /** One request. */
  WARDSTONE_TITAN_REQUEST_TIMEOUT_MS: fields.durationMs.default(5_000),
  /** A passage with all its attempts, from the first one; a question has what its caller has. */
  WARDSTONE_TITAN_PASSAGE_TIMEOUT_MS: fields.durationMs.default(120_000),
  /** Of a Redis or Valkey of its own, which may forget. Without it no vector is kept beyond its document. */
  WARDSTONE_EMBEDDING_CACHE_REDIS_URL: fields.redisUrl.optional(),
  WARDSTONE_EMBEDDING_CACHE_TTL_MS: cacheTtlMs.default(30 * dayMs),
});

/** Where vectors of passages are kept for the next time, and for how long. */
export interface VectorCacheConfig {
  /** May hold a password. */
  readonly redisUrl: string;
  readonly ttlMs: number;
}

/** What is configured of Titan, when any of it is served. */
export interface TitanConfig {
  readonly region: string;
  readonly endpoint: string | undefined;
  readonly invokedId: string;
  readonly maxConcurrency: number;
  readonly microUsdPer1000Tokens: number;
  readonly requestTimeoutMs: number;
  readonly passageTimeoutMs: number;
}

/** A model that is served: the embedded one, or Titan with so many dimensions. */
export type ServedModel = 'lexical' | TitanDimensions;

/** The service's configuration, by variable name, where its queue lives, and its models. */
export type Config = Readonly<z.infer<typeof schema>> & {
  readonly queueBackend: QueueBackend;
  readonly currentModel: ServedModel;
  readonly keptModels: readonly ServedModel[];
  /** Undefined when no Titan is served. */
  readonly titan: TitanConfig | undefined;
  /** Undefined when none is given, or no Titan is served: only its vectors are kept. */
  readonly vectorCache: VectorCacheConfig | undefined;
};

/** Thrown: ConfigError listing every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const config = readConfig(schema, env);
  checkObjectStore(config);
  const currentModel = config.WARDSTONE_EMBEDDING_MODEL === 'titan' ? config.WARDSTONE_TITAN_DIMENSIONS : 'lexical';
  const kept = config.WARDSTONE_EMBEDDING_KEPT_MODELS.map((id) => titanIds.get(id) ?? ('lexical' as const));
  const served = [currentModel, ...kept];
  if (served.includes('lexical')) refuseEmbeddedInProduction(config, 'the lexical embedding model');
  const titan = served.some((model) => model !== 'lexical') ? titanOf(config) : undefined;
  const vectorCache = titan === undefined ? undefined : vectorCacheOf(config);
  return Object.freeze({
    ...config,
    queueBackend: queueBackendOf(config),
    currentModel,
    keptModels: kept,
    titan,
    vectorCache,
  });
}

/** One server has one policy of what it forgets when it is full: the queue's must forget nothing, the cache's what is used least. */
function vectorCacheOf(config: Readonly<z.infer<typeof schema>>): VectorCacheConfig | undefined {
  const { WARDSTONE_EMBEDDING_CACHE_REDIS_URL: redisUrl, WARDSTONE_REDIS_URL: queueUrl } = config;
  if (redisUrl === undefined) return undefined;
  if (queueUrl !== undefined && serverOf(redisUrl) === serverOf(queueUrl)) {
    throw new ConfigError([
      'WARDSTONE_EMBEDDING_CACHE_REDIS_URL: is the server of WARDSTONE_REDIS_URL; the cache needs one of its own, which may evict',
    ]);
  }
  return { redisUrl, ttlMs: config.WARDSTONE_EMBEDDING_CACHE_TTL_MS };
}

function serverOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === '' ? '6379' : port}`.toLowerCase();
}

function titanOf(config: Readonly<z.infer<typeof schema>>): TitanConfig {
  const { WARDSTONE_BEDROCK_REGION: region, WARDSTONE_BEDROCK_ENDPOINT: endpoint } = config;
  if (region === undefined) throw new ConfigError(['WARDSTONE_BEDROCK_REGION: is required with Titan']);
  refuseClearBedrockInProduction(config, [endpoint]);
  return {
    region,
    endpoint,
    invokedId: config.WARDSTONE_TITAN_MODEL_ID,
    maxConcurrency: config.WARDSTONE_TITAN_MAX_CONCURRENCY,
    microUsdPer1000Tokens: config.WARDSTONE_TITAN_MICRO_USD_PER_1000_TOKENS,
    requestTimeoutMs: config.WARDSTONE_TITAN_REQUEST_TIMEOUT_MS,
    passageTimeoutMs: config.WARDSTONE_TITAN_PASSAGE_TIMEOUT_MS,
  };
}

function queueBackendOf(config: Readonly<z.infer<typeof schema>>): QueueBackend {
  if (config.WARDSTONE_REDIS_URL !== undefined) return { redisUrl: config.WARDSTONE_REDIS_URL };
  if (config.WARDSTONE_QUEUE_DATABASE_URL !== undefined) return { postgresUrl: config.WARDSTONE_QUEUE_DATABASE_URL };
  throw new ConfigError(['WARDSTONE_QUEUE_DATABASE_URL: is required unless WARDSTONE_REDIS_URL is set']);
}
