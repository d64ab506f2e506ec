/** Verification of the tokens that service-identity.ts mints: issuer known, audience this service, 60 seconds, principal valid. */
import { readFileSync } from 'node:fs';
import { AppError, type Principal } from '@wardstone/rpc';
import { createLocalJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { principalSchema, toPrincipal } from './principal.ts';
import { ownerOfKey, serviceTokenLifetimeS, serviceTokenType } from './service-identity.ts';

/** Seconds that two machines' clocks may differ. */
export const clockToleranceS = 5;

/** Who called, and for whom. */
export interface ServiceCall {
  readonly peer: string;
  readonly principal: Principal;
}

const jwksSchema = z.strictObject({
  keys: z
    .array(
      z.object({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        x: z.string().min(1),
        kid: z.string().min(1),
      }),
    )
    .min(1),
});

const claimsSchema = z.looseObject({
  iss: z.string(),
  sub: z.string(),
  iat: z.number(),
  exp: z.number(),
  jti: z.uuid(),
  principal: principalSchema,
});

/**
 * A verifier of service tokens for one audience. The file holds the public keys of all services, `kid` = service name, or
 * service name, dot and a word of choice for a further key of the service;
 * private members are dropped by the schema. Thrown at once when the file is unusable.
 */
export function createServiceTokenVerifier(options: {
  service: string;
  serviceJwksFile: string;
  now?: () => number;
}): (token: string) => Promise<ServiceCall> {
  const { service, now = Date.now } = options;
  const jwks = readJwks(options.serviceJwksFile);
  const keys: JWTVerifyGetKey = createLocalJWKSet(jwks);
  return async (token) => {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        algorithms: ['EdDSA'],
        typ: serviceTokenType,
        audience: service,
        requiredClaims: ['iss', 'sub', 'aud', 'iat', 'exp', 'jti', 'principal'],
        clockTolerance: clockToleranceS,
        currentDate: new Date(now()),
      });
      const claims = claimsSchema.parse(payload);
      const lifetimeS = claims.exp - claims.iat;
      const known = ownerOfKey(protectedHeader.kid ?? '') === claims.iss && claims.sub === claims.iss;
      const single = typeof payload.aud === 'string';
      if (!known || !single || lifetimeS <= 0 || lifetimeS > serviceTokenLifetimeS || isFuture(claims.iat, now)) {
        throw new AppError('TOKEN_INVALID');
      }
      return { peer: claims.iss, principal: toPrincipal(claims.principal) };
    } catch (error) {
      throw asTokenError(error);
    }
  };
}

function isFuture(iat: number, now: () => number): boolean {
  return iat > now() / 1000 + clockToleranceS;
}

/** Every fault of a token is TOKEN_INVALID but for its age, which a caller can mend by asking for a new one. */
export function asTokenError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError(error instanceof errors.JWTExpired ? 'TOKEN_EXPIRED' : 'TOKEN_INVALID', { cause: error });
}

/** The public keys of all services. Thrown: INTERNAL when the file is unusable. */
export function readJwks(file: string): z.infer<typeof jwksSchema> {
  try {
    return jwksSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new AppError('INTERNAL', { cause, message: 'the public keys of the services are not readable' });
  }
}
