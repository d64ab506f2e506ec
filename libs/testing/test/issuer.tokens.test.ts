import { readFile, stat } from 'node:fs/promises';
import { expect } from 'chai';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  importJWK,
  jwtVerify,
  SignJWT,
  type JSONWebKeySet,
  type JWK,
} from 'jose';
import { startTestIssuer, testIdentities, type TestIdentities, type TestIssuer } from '../src/index.ts';

describe('test issuer and identities', () => {
  let issuer: TestIssuer;
  let identities: TestIdentities;
  before(async () => {
    issuer = await startTestIssuer();
    identities = await testIdentities(['gateway', 'audit']);
  });
  after(async () => {
    await issuer.close();
    await identities.drop();
  });

  const verify = async (token: string): Promise<unknown> =>
    (await jwtVerify(token, createRemoteJWKSet(new URL(issuer.jwksUri)), issuer)).payload;

  it('signs tokens that its published keys verify', async () => {
    const tenantId = '0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c1d';
    const token = await issuer.token({ tenantId, roles: ['auditor'], subject: 'user-7' });
    expect(await verify(token)).to.include({ sub: 'user-7', wardstone_tenant: tenantId, aud: 'wardstone' });
  });

  it('can sign with a key that is not published, or in the past', async () => {
    for (const bad of [{ foreignKey: true }, { expiresInSeconds: -120, issuedInSeconds: -600 }]) {
      const failure = await verify(await issuer.token(bad)).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(Error);
    }
  });

  it('publishes a discovery document with its own address', async () => {
    const response = await fetch(`${issuer.issuer}/.well-known/openid-configuration`);
    expect(await response.json()).to.deep.equal({ issuer: issuer.issuer, jwks_uri: issuer.jwksUri });
  });

  it('makes a private key for each service, readable by its owner alone, and the public ones together', async () => {
    const jwks = JSON.parse(await readFile(identities.jwksFile, 'utf8')) as JSONWebKeySet;
    expect(jwks.keys.map(({ kid }) => kid)).to.have.members(['gateway', 'audit']);
    expect(jwks.keys.some((key) => 'd' in key)).to.equal(false);
    expect((await stat(identities.keyFile('audit'))).mode & 0o077).to.equal(0);
    const key = await importJWK(JSON.parse(await readFile(identities.keyFile('audit'), 'utf8')) as JWK, 'EdDSA');
    const token = await new SignJWT({}).setProtectedHeader({ alg: 'EdDSA', kid: 'audit' }).sign(key);
    await jwtVerify(token, createLocalJWKSet(jwks));
  });
});
