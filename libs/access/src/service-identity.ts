/**
 * A service's own tokens: what one Wardstone service shows another. Ed25519, 60 seconds, one audience, the end user's
 * principal inside. Nobody but the holder of the private key file can make them.
 */
import { readFile } from 'node:fs/promises';
import { AppError, type Principal } from '@wardstone/rpc';
import { importJWK, SignJWT, type JWK } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';

/** `typ` of these tokens; a provider's token never carries it, so that neither verifier takes the other's tokens. */
export const serviceTokenType = 'wardstone-service+jwt';
/** Lifetime of a token in seconds. */
export const serviceTokenLifetimeS = 60;
/** A cached token is used for at most half of its life, so that it arrives with time left. */
const reuseMs = 30_000;
const maxCachedTokens = 1000;

/** Mints tokens of one service. */
export interface ServiceIdentity {
  /** Name of the service: the issuer of its tokens. */
  readonly service: string;
  /** A function that makes a bearer token for one callee on behalf of a principal: `ClientOptions.authorize` of libs/rpc. */
  authorize(audience: string): (principal: Principal) => Promise<string>;
  /** What the service says, as a compact JWS of the given `typ`, without expiry. Thrown: TypeError for the typ of its tokens. */
  sign(typ: string, says: Readonly<Record<string, unknown>>): Promise<string>;
}

/**
 * The service whose key a `kid` names: `ingestion`, or while keys are exchanged `ingestion.2027`. Services' names have no dot.
 */
export function ownerOfKey(kid: string): string {
  return kid.split('.', 1)[0] ?? kid;
}

/** A private Ed25519 key as JWK. */
const privateJwkSchema = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().min(1),
  d: z.string().min(1),
  kid: z.string().optional(),
});

/**
 * Reads the service's private key. Thrown: INTERNAL when the file is missing, no Ed25519 private key, or carries the
 * name of another service: a service must not start with somebody else's identity.
 */
export async function createServiceIdentity(options: {
  service: string;
  privateJwkFile: string;
  now?: () => number;
}): Promise<ServiceIdentity> {
  const { service, now = Date.now } = options;
  const { key, kid } = await readPrivateKey(service, options.privateJwkFile);
  const cache = new Map<string, { readonly token: Promise<string>; readonly reuseUntil: number }>();

  const mint = (audience: string, principal: Principal): Promise<string> => {
    const issuedAt = Math.floor(now() / 1000);
    return new SignJWT({ principal: claimOf(principal) })
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: serviceTokenType })
      .setIssuer(service)
      .setSubject(service)
      .setAudience(audience)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + serviceTokenLifetimeS)
      .setJti(uuidv7())
      .sign(key);
  };

  return {
    service,
    authorize: (audience) => (principal) => {
      const cacheKey = JSON.stringify([audience, claimOf(principal)]);
      const cached = cache.get(cacheKey);
      if (cached !== undefined && now() < cached.reuseUntil) return cached.token;
      const token = mint(audience, principal);
      cache.delete(cacheKey);
      cache.set(cacheKey, { token, reuseUntil: now() + reuseMs });
      const oldest = cache.keys().next();
      if (cache.size > maxCachedTokens && oldest.done !== true) cache.delete(oldest.value);
      return token;
    },
    sign: async (typ, says) => {
      if (typ === serviceTokenType) throw new TypeError('a token says who calls, and nothing else');
      const issuedAt = Math.floor(now() / 1000);
      const jwt = new SignJWT({ says }).setProtectedHeader({ alg: 'EdDSA', kid, typ });
      return jwt.setIssuer(service).setIssuedAt(issuedAt).sign(key);
    },
  };
}

interface PrivateKey {
  readonly key: Awaited<ReturnType<typeof importJWK>>;
  readonly kid: string;
}

async function readPrivateKey(service: string, file: string): Promise<PrivateKey> {
  try {
    const jwk = privateJwkSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const kid = jwk.kid ?? service;
    if (ownerOfKey(kid) !== service) throw new Error('the key belongs to another service');
    return { key: await importJWK(jwk as JWK, 'EdDSA'), kid };
  } catch (cause) {
    throw new AppError('INTERNAL', { cause, message: `no usable private key of service ${service}` });
  }
}

/** The claim as it travels: fields in a fixed order, absent ones left out. */
function claimOf(principal: Principal): Record<string, unknown> {
  const { subject, kind, tenantId, roles, purposeOfUse } = principal;
  return {
    subject,
    kind,
    ...(tenantId === undefined ? {} : { tenantId }),
    roles,
    ...(purposeOfUse === undefined ? {} : { purposeOfUse }),
  };
}
