import { readFile, writeFile } from 'node:fs/promises';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { testIdentities, type TestIdentities } from '@wardstone/testing';
import type { Principal } from '@wardstone/rpc';
import { expect } from 'chai';
import { createServiceIdentity } from '../src/index.ts';
import { reasonOf, tenantA, tenantB } from './support.ts';

const principal: Principal = { subject: 'u-1', kind: 'user', tenantId: tenantA, roles: ['clinician'] };

describe('service identity', () => {
  let identities: TestIdentities;
  before(async () => {
    identities = await testIdentities(['llm', 'gateway']);
  });
  after(() => identities.drop());

  it('mints tokens of 60 seconds for one audience with the principal inside, and nothing else of it', async () => {
    const identity = await createServiceIdentity({ service: 'llm', privateJwkFile: identities.keyFile('llm') });
    const token = await identity.authorize('retrieval')(principal);
    const { iat = 0, exp = 0, jti, ...claims } = decodeJwt(token);
    expect(decodeProtectedHeader(token)).to.deep.equal({ alg: 'EdDSA', kid: 'llm', typ: 'wardstone-service+jwt' });
    expect(claims).to.deep.equal({ iss: 'llm', sub: 'llm', aud: 'retrieval', principal });
    expect(exp - iat).to.equal(60);
    expect(jti).to.be.a('string');
  });

  it('uses a token again for the same audience and principal, for at most 30 seconds', async () => {
    let nowMs = Date.now();
    const options = { service: 'llm', privateJwkFile: identities.keyFile('llm'), now: () => nowMs };
    const identity = await createServiceIdentity(options);
    const first = await identity.authorize('retrieval')(principal);
    nowMs += 29_999;
    expect(await identity.authorize('retrieval')({ ...principal })).to.equal(first);
    nowMs += 1;
    expect(await identity.authorize('retrieval')(principal)).not.to.equal(first);
  });

  it('never gives one principal’s or audience’s token to another', async () => {
    const identity = await createServiceIdentity({ service: 'llm', privateJwkFile: identities.keyFile('llm') });
    const variants: [string, Principal][] = [
      ['retrieval', principal],
      ['audit', principal],
      ['retrieval', { ...principal, tenantId: tenantB }],
      ['retrieval', { ...principal, tenantId: undefined }],
      ['retrieval', { ...principal, subject: 'u-2' }],
      ['retrieval', { ...principal, roles: ['auditor'] }],
      ['retrieval', { ...principal, kind: 'client' }],
      ['retrieval', { ...principal, purposeOfUse: 'TREAT' }],
    ];
    const tokens = await Promise.all(variants.map(([audience, who]) => identity.authorize(audience)(who)));
    expect(new Set(tokens).size).to.equal(variants.length);
  });

  it('does not start without its key, with a public one, or with another service’s', async () => {
    const file = identities.keyFile('llm');
    const { d: _private, ...publicJwk } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    const publicFile = `${file}.public`;
    await writeFile(publicFile, JSON.stringify(publicJwk));
    for (const privateJwkFile of ['/nowhere', publicFile, identities.keyFile('gateway')]) {
      expect(await reasonOf(createServiceIdentity({ service: 'llm', privateJwkFile }))).to.equal('INTERNAL');
    }
  });
});
