import { z } from 'zod';
import { fields } from './fields.ts';
import { ConfigError } from './read-config.ts';

/** Variables that every service has. Spread them into the service's own: `z.object({ ...serviceFields, ... })`. */
export const serviceFields = {
  /** Address to listen on. Containers set `::`. */
  WARDSTONE_HOST: fields.text.default('127.0.0.1'),
  /** Port of gRPC, gRPC-Web, Connect, /metrics, /livez and /readyz. */
  WARDSTONE_PORT: fields.port,
  WARDSTONE_LOG_LEVEL: fields.logLevel.default('info'),
  /** This service's private Ed25519 key, a JWK in a file. */
  WARDSTONE_SERVICE_KEY_FILE: fields.filePath,
  /** Public keys of all services, a JWK set in a file; kid = service name. */
  WARDSTONE_SERVICE_JWKS_FILE: fields.filePath,
  WARDSTONE_OIDC_ISSUER: fields.url,
  WARDSTONE_OIDC_AUDIENCE: fields.text.default('wardstone'),
  /** Clients whose access tokens have no audience, as Amazon Cognito makes them; comma-separated, none when not set. */
  WARDSTONE_OIDC_CLIENT_IDS: fields.list.default([]),
  /** Where the provider's keys are; found through the issuer's discovery document when not set. */
  WARDSTONE_OIDC_JWKS_URI: fields.url.optional(),
  /** OpenTelemetry collector that takes traces over HTTP; without it no span leaves the process. */
  WARDSTONE_OTLP_URL: fields.url.optional(),
  /** Whether grpc.reflection is served. */
  WARDSTONE_REFLECTION: fields.flag.default(true),
  /** How long calls in flight may go on after SIGTERM. */
  WARDSTONE_DRAIN_TIMEOUT_MS: fields.durationMs.default(10_000),
} as const;

/** The values of serviceFields. */
export type ServiceConfig = Readonly<z.infer<z.ZodObject<typeof serviceFields>>>;

/** Variables of services whose streams or searches hold slots. */
export const slotFields = {
  /** Most of a kind of slots that one tenant may hold, rounded down but at least one: who asks for more leaves the rest to others. */
  WARDSTONE_TENANT_SLOT_PERCENT: fields.percent.default(50),
} as const;

/** Variables of services that have an embedded provider behind one of their ports. */
export const embeddedFields = {
  NODE_ENV: z.string().optional(),
  WARDSTONE_ALLOW_EMBEDDED: z.literal('yes-this-is-not-production').optional(),
} as const;

/** What decides over embedded providers. */
export interface EmbeddedConfig {
  readonly NODE_ENV?: string | undefined;
  readonly WARDSTONE_ALLOW_EMBEDDED?: string | undefined;
}

/**
 * Called by the composition root before it makes an embedded provider.
 * Thrown: ConfigError when NODE_ENV is production and the operator has not said that this is not production.
 */
export function refuseEmbeddedInProduction(config: EmbeddedConfig, provider: string): void {
  if (config.NODE_ENV !== 'production' || config.WARDSTONE_ALLOW_EMBEDDED !== undefined) return;
  throw new ConfigError([
    `NODE_ENV: is production, and ${provider} is an embedded provider for development; configure the real one, or set WARDSTONE_ALLOW_EMBEDDED=yes-this-is-not-production`,
  ]);
}

/**
 * Called with the addresses that stand instead of Bedrock's own, as `fields.url` gives them: what is sent there is content.
 * Thrown: ConfigError, as `refuseEmbeddedInProduction` has it, when one of them is without TLS.
 */
export function refuseClearBedrockInProduction(
  config: EmbeddedConfig,
  endpoints: readonly (string | undefined)[],
): void {
  const isClear = endpoints.some((endpoint) => endpoint !== undefined && new URL(endpoint).protocol === 'http:');
  if (isClear) refuseEmbeddedInProduction(config, 'a Bedrock without TLS');
}
