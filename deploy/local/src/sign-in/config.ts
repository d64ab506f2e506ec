import { fields, readConfig } from '@wardstone/config';
import { z } from 'zod';

const schema = z.object({
  WARDSTONE_HOST: fields.text.default('127.0.0.1'),
  WARDSTONE_PORT: fields.port,
  /** Folder of the accounts and of the provider's own keys; filled on first start. */
  WARDSTONE_SIGN_IN_DIR: fields.filePath,
  /** Public address when it is not http://127.0.0.1:PORT. */
  WARDSTONE_SIGN_IN_ISSUER: fields.url.optional(),
  /** Lifetime of access tokens; Wardstone refuses longer ones. */
  WARDSTONE_SIGN_IN_TOKEN_TTL_S: z.coerce.number().int().min(900).max(3600).default(3600),
});

export type SignInConfig = Readonly<z.infer<typeof schema>>;

/** The development sign-in's configuration. Thrown: ConfigError. */
export function readSignInConfig(env: NodeJS.ProcessEnv): SignInConfig {
  return readConfig(schema, env);
}
