/** The configuration: every environment variable that this service reads, checked once. */
import { embeddedFields, fields, readConfig, serviceFields, slotFields } from '@wardstone/config';
import { z } from 'zod';
import type { HistoryWindow } from './domain/history-window.ts';
import type { Retention } from './domain/retention.ts';
import { checkModels, modelFields } from './model-config.ts';

const schema = z.object({
  ...serviceFields,
  ...embeddedFields,
  ...slotFields,
  WARDSTONE_DATABASE_URL: fields.postgresUrl,
  WARDSTONE_DATABASE_POOL_SIZE: fields.positiveInt.default(10),
  WARDSTONE_TENANT_KEY_URL: fields.url,
  WARDSTONE_TENANT_WORK_INTERVAL_MS: fields.durationMs.default(15_000),
  ...modelFields,
  WARDSTONE_RETRIEVAL_URL: fields.url,
  WARDSTONE_AUDIT_URL: fields.url,
  /** Answers in flight; one more is told to come back later. */
  WARDSTONE_LLM_MAX_ANSWERS: fields.positiveInt.default(64),
  /** What happens to a statement that the sources do not bear out. */
  WARDSTONE_LLM_CITATION_POLICY: z.enum(['mark', 'drop', 'refuse']).default('drop'),
  /** Conversations that one person or program may have; beyond it the one used longest ago is removed. */
  WARDSTONE_LLM_MAX_CONVERSATIONS: fields.positiveInt.default(200),
  /** Turns of one conversation that are kept; the oldest go first. */
  WARDSTONE_LLM_MAX_TURNS: fields.positiveInt.pipe(z.number().max(1_000)).default(100),
  /** Days after which a conversation that nobody used is gone; without it none is for its age. */
  WARDSTONE_LLM_HISTORY_MAX_DAYS: fields.positiveInt.pipe(z.number().max(36_500)).optional(),
  /** Turns of a conversation that a model is given at most, and their tokens. */
  WARDSTONE_LLM_HISTORY_TURNS: fields.positiveInt.pipe(z.number().max(100)).default(6),
  WARDSTONE_LLM_HISTORY_TOKENS: fields.positiveInt.default(4_000),
});

const dayMs = 24 * 60 * 60_000;

/** The service's configuration, by variable name. */
export type Config = Readonly<z.infer<typeof schema>>;

/** How much is kept of conversations, and for how long. */
export function retentionOf(config: Config): Retention {
  const days = config.WARDSTONE_LLM_HISTORY_MAX_DAYS;
  return {
    maxConversations: config.WARDSTONE_LLM_MAX_CONVERSATIONS,
    maxTurns: config.WARDSTONE_LLM_MAX_TURNS,
    maxAgeMs: days === undefined ? undefined : days * dayMs,
  };
}

/** How much of a conversation a model is given. */
export function windowOf(config: Config): HistoryWindow {
  return { maxTurns: config.WARDSTONE_LLM_HISTORY_TURNS, maxTokens: config.WARDSTONE_LLM_HISTORY_TOKENS };
}

/** Thrown: ConfigError listing every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const config = readConfig(schema, env);
  checkModels(config);
  return config;
}
