/**
 * Verification of access tokens of the organisation's identity provider: RFC 9068 (at+jwt), or the form of Amazon Cognito's
 * user pools ("Understanding the access token", Cognito developer guide); keys by JWKS (RFC 7517), discovered from the issuer when no address is given (OpenID Connect Discovery).
 */
import { AppError, type Principal } from '@wardstone/rpc';
import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey, type RemoteJWKSet } from 'jose';
import { z } from 'zod';
import { platformRole } from './policy.ts';
import { maxRoles, principalSchema, purposesOfUse, toPrincipal } from './principal.ts';
import { asTokenError, clockToleranceS } from './service-token.ts';

/** Verifies a bearer token (without the word "Bearer"). Thrown: TOKEN_EXPIRED, TOKEN_INVALID, SERVICE_UNAVAILABLE. */
export type Verifier = (bearer: string) => Promise<Principal>;

/** A verifier that can say whether it has what it verifies with. */
export interface AccessTokenVerifier extends Verifier {
  /**
   * Resolves when the provider's keys have been had once, or can be had now: without any of them no token can be verified.
   * Thrown: SERVICE_UNAVAILABLE.
   */
  needsKeys(): Promise<void>;
}

/** What to accept, exactly. */
export interface AccessTokenVerifierOptions {
  readonly issuer: string;
  /** Tokens that have `aud` have to be for this. */
  readonly audience: string;
  /**
   * Clients whose tokens are taken without `aud` and `typ`, told apart by `client_id` and `token_use` "access", as Cognito
   * makes them; none unless given.
   */
  readonly clientIds?: readonly string[];
  /** Address of the provider's keys; without it, it is discovered from the issuer. */
  readonly jwksUri?: string | undefined;
  readonly now?: () => number;
}

const algorithms = ['RS256', 'ES256', 'EdDSA'];
const types = ['at+jwt', 'application/at+jwt', 'jwt'];
const maxLifetimeS = 60 * 60;
const fetchTimeoutMs = 3000;
/** An unknown `kid` makes the keys be fetched again at most this often. */
const cooldownMs = 30_000;
const keysMaxAgeMs = 10 * 60_000;
/** After a failed fetch, callers are refused at once for this long instead of each waiting for the time-out. */
const failureCooldownMs = 1000;
const maxTokenChars = 16_384;

const claimsSchema = z.looseObject({
  sub: z.string().min(1).max(255),
  iat: z.number(),
  exp: z.number(),
  client_id: z.string().optional(),
  token_use: z.string().optional(),
  wardstone_tenant: z.uuid().toLowerCase().optional(),
  wardstone_roles: z.array(z.string()).min(1).max(maxRoles),
  wardstone_purpose_of_use: z.enum(purposesOfUse).optional(),
});

/**
 * A verifier with exact issuer, exact audience or client, an algorithm allow-list and a bounded lifetime.
 *
 * A provider that cannot be reached is SERVICE_UNAVAILABLE (503): the token may well be good. A principal of the platform
 * has no tenant; every other has exactly one. A token whose `client_id` equals its `sub` is a client's (client
 * credentials), every other a user's.
 */
export function createAccessTokenVerifier(options: AccessTokenVerifierOptions): AccessTokenVerifier {
  const { issuer, now = Date.now } = options;
  const { getKey, needsKeys } = providerKeys(options, now);
  const verify: Verifier = async (bearer) => {
    try {
      if (bearer.length > maxTokenChars) throw new AppError('TOKEN_INVALID');
      const { payload, protectedHeader } = await jwtVerify(bearer, getKey, {
        algorithms,
        issuer,
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: clockToleranceS,
        currentDate: new Date(now()),
      });
      const claims = claimsSchema.parse(payload);
      const isForUs = payload.aud === undefined ? isOfOurClients : isForOurAudience;
      if (!isForUs(options, claims, protectedHeader.typ)) throw new AppError('TOKEN_INVALID');
      const tooLong = claims.exp - claims.iat > maxLifetimeS || claims.iat > now() / 1000 + clockToleranceS;
      if (tooLong) throw new AppError('TOKEN_INVALID');
      return principalOf(claims);
    } catch (error) {
      throw asTokenError(error);
    }
  };
  return Object.assign(verify, { needsKeys });
}

type Claims = z.infer<typeof claimsSchema>;

function isForOurAudience({ audience }: AccessTokenVerifierOptions, { aud }: Claims, typ: string | undefined): boolean {
  return types.includes(typ?.toLowerCase() ?? '') && [aud].flat().includes(audience);
}

function isOfOurClients({ clientIds = [] }: AccessTokenVerifierOptions, claims: Claims, typ: string | undefined) {
  const { client_id: clientId, token_use: use } = claims;
  const isAccess = use === 'access' && (typ === undefined || types.includes(typ.toLowerCase()));
  return isAccess && clientId !== undefined && clientIds.includes(clientId);
}

function principalOf(claims: Claims): Principal {
  const { wardstone_roles: claimed, wardstone_tenant: tenantId, wardstone_purpose_of_use: purposeOfUse } = claims;
  const ofPlatform = claimed.includes(platformRole);
  if (ofPlatform && (tenantId !== undefined || claimed.length > 1)) throw new AppError('TOKEN_INVALID');
  if (!ofPlatform && tenantId === undefined) throw new AppError('TOKEN_INVALID');
  // The schema refuses role `service` here: no provider makes services.
  const kind = claims.client_id === claims.sub ? 'client' : 'user';
  return toPrincipal(principalSchema.parse({ subject: claims.sub, kind, tenantId, roles: claimed, purposeOfUse }));
}

/** The provider's keys, which are shared by everything that asks for one. */
interface ProviderKeys {
  /** Looks a key up; faults of the provider are told apart from a key that it does not have. */
  readonly getKey: JWTVerifyGetKey;
  readonly needsKeys: AccessTokenVerifier['needsKeys'];
}

function providerKeys(options: AccessTokenVerifierOptions, now: () => number): ProviderKeys {
  let jwks: Promise<RemoteJWKSet> | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;
  const isCoolingDown = () => now() - failedAt < failureCooldownMs;
  const discovered = () => (jwks ??= discover(options).then((uri) => createRemoteJWKSet(uri, remoteOptions)));
  const unavailable = async (cause: unknown): Promise<AppError> => {
    const known = await jwks?.catch(() => undefined);
    if (known === undefined) jwks = undefined;
    failedAt = now();
    return new AppError('SERVICE_UNAVAILABLE', { cause });
  };
  const getKey: JWTVerifyGetKey = async (header, token) => {
    // While the provider is away, keys that are here go on verifying: a token with a made-up kid locks nobody out.
    if (isCoolingDown() && !(await knows(jwks, header.kid))) throw new AppError('SERVICE_UNAVAILABLE');
    try {
      const resolve = await discovered();
      return await resolve(header, token);
    } catch (cause) {
      if (isAboutToken(cause)) throw cause;
      throw await unavailable(cause);
    }
  };
  const needsKeys = async (): Promise<void> => {
    const known = await jwks?.catch(() => undefined);
    if (known?.jwks() !== undefined) return;
    if (isCoolingDown()) throw new AppError('SERVICE_UNAVAILABLE');
    try {
      const resolve = await discovered();
      await resolve.reload();
    } catch (cause) {
      throw await unavailable(cause);
    }
  };
  return { getKey, needsKeys };
}

async function knows(jwks: Promise<RemoteJWKSet> | undefined, kid: string | undefined): Promise<boolean> {
  const known = await jwks?.catch(() => undefined);
  return known?.fresh === true && known.jwks()?.keys.some((key) => key.kid === kid) === true;
}

const remoteOptions = { timeoutDuration: fetchTimeoutMs, cooldownDuration: cooldownMs, cacheMaxAge: keysMaxAgeMs };

function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JOSEAlgNotAllowed
  );
}

async function discover(options: AccessTokenVerifierOptions): Promise<URL> {
  if (options.jwksUri !== undefined) return new URL(options.jwksUri);
  const address = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(address, { signal: AbortSignal.timeout(fetchTimeoutMs), redirect: 'error' });
  if (!response.ok) throw new Error(`discovery answered ${String(response.status)}`);
  const metadata = z.looseObject({ issuer: z.literal(options.issuer), jwks_uri: z.url() });
  return new URL(metadata.parse(await response.json()).jwks_uri);
}
