/**
 * Signatures of what passes through the queue: the port `Signatures` of libs/queue. The keys are those of the services' tokens;
 * the `typ` keeps the two apart, so that neither is ever taken for the other.
 */
import { AppError } from '@wardstone/rpc';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { z } from 'zod';
import { ownerOfKey, type ServiceIdentity } from './service-identity.ts';
import { readJwks } from './service-token.ts';

const jobType = 'wardstone-job+jwt';
const maxChars = 8_192;

const payloadSchema = z.looseObject({ iss: z.string(), iat: z.number(), says: z.record(z.string(), z.unknown()) });

/** Signs as one service, and verifies what any service has signed. */
export interface JobSignatures {
  /** A compact JWS, Ed25519, without expiry. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** The signer and what it signed. Thrown: TOKEN_INVALID. */
  verify(text: string): Promise<{ readonly issuer: string; readonly claims: unknown }>;
}

/** Thrown: INTERNAL when the file of public keys is unusable. */
export function createJobSignatures(options: {
  readonly identity: Pick<ServiceIdentity, 'sign'>;
  readonly serviceJwksFile: string;
}): JobSignatures {
  const keys = createLocalJWKSet(readJwks(options.serviceJwksFile));
  return {
    sign: async (claims) => options.identity.sign(jobType, claims),
    verify: async (text) => {
      try {
        if (text.length > maxChars) throw new Error('longer than any job');
        const { payload, protectedHeader } = await jwtVerify(text, keys, { algorithms: ['EdDSA'], typ: jobType });
        const { iss, says } = payloadSchema.parse(payload);
        if (ownerOfKey(protectedHeader.kid ?? '') !== iss) throw new Error('the key belongs to another service');
        return { issuer: iss, claims: says };
      } catch (cause) {
        throw new AppError('TOKEN_INVALID', { cause });
      }
    },
  };
}
