import { createJobSignatures, createServiceIdentity } from '@wardstone/access';
import type { TestIdentities } from '@wardstone/testing';
import type { Signatures } from '../../src/index.ts';

/** What a service signs with, made of its key files as its composition root does. */
export async function signaturesOf(
  identities: Pick<TestIdentities, 'jwksFile' | 'keyFile'>,
  service: string,
): Promise<Signatures> {
  const identity = await createServiceIdentity({ service, privateJwkFile: identities.keyFile(service) });
  return createJobSignatures({ identity, serviceJwksFile: identities.jwksFile });
}
