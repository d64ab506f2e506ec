import { embeddedFields, fields, readConfig, serviceFields } from '@wardstone/config';
import { z } from 'zod';
import { type KmsConfig, kmsConfigOf, kmsFields } from './kms-config.ts';

const schema = z.object({
  ...serviceFields,
  ...embeddedFields,
  /** Database of this service, with its application role. */
  WARDSTONE_DATABASE_URL: fields.postgresUrl,
  ...kmsFields,
  WARDSTONE_AUDIT_URL: fields.url,
  /** How long a purpose key may stay in memory, here and at the services that asked for it. */
  WARDSTONE_KEY_MAX_AGE_MS: fields.durationMs.default(300_000),
  /** How long beyond that an operation may take that began with the key. */
  WARDSTONE_KEY_SETTLE_MARGIN_MS: fields.durationMs.default(30_000),
  /** Between the beginnings of two rotations that administrators ask for. */
  WARDSTONE_ROTATION_MIN_INTERVAL_MS: fields.durationMs.default(3_600_000),
  /** Pause between two looks at the rotations and offboardings that go on. */
  WARDSTONE_LIFECYCLE_INTERVAL_MS: fields.durationMs.default(5_000),
});

/** Configuration of tenant-key, by variable name, and where tenants' keys are. */
export type Config = Readonly<z.infer<typeof schema>> & { readonly kms: KmsConfig };

/** Thrown: ConfigError that lists every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const config = readConfig(schema, env);
  return Object.freeze({ ...config, kms: kmsConfigOf(config) });
}
