import { readFile, writeFile } from 'node:fs/promises';
import { testIdentities, type TestIdentities } from '@wardstone/testing';
import { expect } from 'chai';
import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';
import { createJobSignatures, createServiceIdentity, type JobSignatures } from '../src/index.ts';
import { createServiceTokenVerifier } from '../src/service-token.ts';
import { reasonOf, tampered, tenantA } from './support.ts';

describe('signatures of jobs', () => {
  let identities: TestIdentities;
  beforeEach(async () => {
    identities = await testIdentities(['ingestion', 'embedding']);
  });
  afterEach(() => identities.drop());

  async function identityOf(service: string, privateJwkFile = identities.keyFile(service)) {
    return createServiceIdentity({ service, privateJwkFile });
  }
  async function signaturesOf(service: string, privateJwkFile?: string): Promise<JobSignatures> {
    const identity = await identityOf(service, privateJwkFile);
    return createJobSignatures({ identity, serviceJwksFile: identities.jwksFile });
  }

  /** A further key under a kid, public in the services' JWKS; gives the file of the private one. */
  async function addKey(kid: string): Promise<string> {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    const jwks = JSON.parse(await readFile(identities.jwksFile, 'utf8')) as { keys: JWK[] };
    jwks.keys.push({ ...(await exportJWK(publicKey)), kid });
    await writeFile(identities.jwksFile, JSON.stringify(jwks));
    const file = `${identities.keyFile('ingestion')}.${kid}`;
    await writeFile(file, JSON.stringify({ ...(await exportJWK(privateKey)), kid }));
    return file;
  }

  it('say who signed what, to every service', async () => {
    const text = await (await signaturesOf('ingestion')).sign({ kind: 'job', version: 1 });
    expect(await (await signaturesOf('embedding')).verify(text)).to.deep.equal({
      issuer: 'ingestion',
      claims: { kind: 'job', version: 1 },
    });
  });

  it('hold while keys are exchanged: old ones and new ones, for jobs and for calls', async () => {
    const old = await (await signaturesOf('ingestion')).sign({ n: 1 });
    const newFile = await addKey('ingestion.2027');
    const fresh = await (await signaturesOf('ingestion', newFile)).sign({ n: 2 });
    const verifier = await signaturesOf('embedding');
    expect(await verifier.verify(old)).to.deep.equal({ issuer: 'ingestion', claims: { n: 1 } });
    expect(await verifier.verify(fresh)).to.deep.equal({ issuer: 'ingestion', claims: { n: 2 } });

    const principal = { subject: 'u-1', kind: 'user', tenantId: tenantA, roles: ['clinician'] } as const;
    const token = await (await identityOf('ingestion', newFile)).authorize('embedding')(principal);
    const verify = createServiceTokenVerifier({ service: 'embedding', serviceJwksFile: identities.jwksFile });
    expect(await verify(token)).to.deep.equal({ peer: 'ingestion', principal });
  });

  it('are none when altered, too long, of another kind, or by a key that is not the signer’s', async () => {
    const signatures = await signaturesOf('ingestion');
    const good = await signatures.sign({ kind: 'job' });
    const identity = await identityOf('ingestion');
    const key = await importJWK(JSON.parse(await readFile(identities.keyFile('embedding'), 'utf8')) as JWK, 'EdDSA');
    const inAnotherName = await new SignJWT({ says: { kind: 'job' } })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'embedding', typ: 'wardstone-job+jwt' })
      .setIssuer('ingestion')
      .setIssuedAt()
      .sign(key);
    const foreignKid = await addKey('embedding.2027');
    expect(await reasonOf(createServiceIdentity({ service: 'ingestion', privateJwkFile: foreignKid }))).to.equal(
      'INTERNAL',
    );
    for (const bad of [
      tampered(good, good.indexOf('.') + 5),
      tampered(good, good.length - 5),
      await signatures.sign({ kind: 'x'.repeat(8_192) }),
      await identity.sign('another+jwt', { kind: 'job' }),
      inAnotherName,
      'a.b.c',
      '',
    ]) {
      expect(await reasonOf(signatures.verify(bad))).to.equal('TOKEN_INVALID');
    }
  });

  it('are no tokens, nor tokens signatures', async () => {
    const identity = await identityOf('ingestion');
    const signatures = await signaturesOf('ingestion');
    const verify = createServiceTokenVerifier({ service: 'ingestion', serviceJwksFile: identities.jwksFile });
    expect(await reasonOf(verify(await signatures.sign({ kind: 'job' })))).to.equal('TOKEN_INVALID');
    expect(await reasonOf(identity.sign('wardstone-service+jwt', {}))).to.match(/TypeError/);
  });
});
