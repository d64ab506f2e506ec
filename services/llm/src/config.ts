/** The configuration: every environment variable that this service reads, checked once. */
import {
  embeddedFields,
  fields,
  readConfig,
  refuseEmbeddedInProduction,
  serviceFields,
  slotFields,
} from '@wardstone/config';
import { z } from 'zod';

const schema = z.object({
  ...serviceFields,
  ...embeddedFields,
  ...slotFields,
  WARDSTONE_RETRIEVAL_URL: fields.url,
  WARDSTONE_AUDIT_URL: fields.url,
  /** Answers in flight; one more is told to come back later. */
  WARDSTONE_LLM_MAX_ANSWERS: fields.positiveInt.default(64),
  /** What happens to a statement that the sources do not bear out. */
  WARDSTONE_LLM_CITATION_POLICY: z.enum(['mark', 'drop', 'refuse']).default('drop'),
});

/** The service's configuration, by variable name. */
export type Config = Readonly<z.infer<typeof schema>>;

/** Thrown: ConfigError listing every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const config = readConfig(schema, env);
  refuseEmbeddedInProduction(config, 'the extractive answering model');
  return config;
}
