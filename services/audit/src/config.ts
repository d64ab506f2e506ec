import { fields, readConfig, serviceFields } from '@wardstone/config';
import { z } from 'zod';

const schema = z.object({
  ...serviceFields,
  /** Database of this service, with its application role. */
  WARDSTONE_DATABASE_URL: fields.postgresUrl,
});

/** Configuration of audit. */
export type Config = Readonly<z.infer<typeof schema>>;

/** Thrown: ConfigError that lists every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  return readConfig(schema, env);
}
