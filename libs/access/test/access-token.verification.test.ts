import { createServer } from 'node:http';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { startTestIssuer, type TestIssuer } from '@wardstone/testing';
import { expect } from 'chai';
import { createAccessTokenVerifier, type Verifier } from '../src/index.ts';
import { reasonOf, tampered, tenantA } from './support.ts';

describe('access tokens', () => {
  let issuer: TestIssuer;
  let verify: Verifier;
  before(async () => {
    issuer = await startTestIssuer();
    verify = createAccessTokenVerifier({ issuer: issuer.issuer, audience: issuer.audience });
  });
  after(() => issuer.close());

  it('make a user’s principal', async () => {
    const token = await issuer.token({
      subject: 'u-1',
      tenantId: tenantA,
      roles: ['clinician'],
      purposeOfUse: 'TREAT',
    });
    expect(await verify(token)).to.deep.equal({
      subject: 'u-1',
      kind: 'user',
      tenantId: tenantA,
      roles: ['clinician'],
      purposeOfUse: 'TREAT',
    });
  });

  it('make a client’s principal when the client speaks for itself, and the platform’s without a tenant', async () => {
    const client = await verify(await issuer.token({ subject: 'team-1', tenantId: tenantA, client: true }));
    expect(client.kind).to.equal('client');
    const admin = await verify(await issuer.token({ roles: ['platform_admin'] }));
    expect([admin.tenantId, admin.roles]).to.deep.equal([undefined, ['platform_admin']]);
  });

  const wellMade = { tenantId: tenantA };
  const refused: Record<string, Parameters<TestIssuer['token']>[0]> = {
    'another issuer': { ...wellMade, issuer: 'https://elsewhere.example' },
    'another audience': { ...wellMade, audience: 'other' },
    'a key that is not published': { ...wellMade, foreignKey: true },
    'the type of an ID token': { ...wellMade, typ: 'id+jwt' },
    'the type of a service token': { ...wellMade, typ: 'wardstone-service+jwt' },
    'a lifetime of more than an hour': { ...wellMade, expiresInSeconds: 3601 },
    'a time of issue in the future': { ...wellMade, issuedInSeconds: 60 },
    'an unknown role': { ...wellMade, roles: ['clinician', 'superuser'] },
    'no role': { ...wellMade, roles: [] },
    'the role of services': { ...wellMade, roles: ['service'] },
    'a tenant that is no UUID': { tenantId: 'tenant-1' },
    'a role of a tenant without a tenant': { roles: ['clinician'] },
    'a role of the platform with a tenant': { ...wellMade, roles: ['platform_admin'] },
    'a role of the platform and another': { roles: ['platform_admin', 'clinician'] },
    'an unknown purpose of use': { ...wellMade, purposeOfUse: 'CURIOSITY' },
  };
  for (const [name, options] of Object.entries(refused)) {
    it(`are refused with ${name}`, async () => {
      expect(await reasonOf(verify(await issuer.token(options)))).to.equal('TOKEN_INVALID');
    });
  }

  describe('in the form of Cognito, without audience and type', () => {
    const ofCognito = { ...wellMade, cognito: { clientId: 'retool', tokenUse: 'access' } };
    let verifyCognito: Verifier;
    before(() => {
      const { issuer: address, audience } = issuer;
      verifyCognito = createAccessTokenVerifier({ issuer: address, audience, clientIds: ['retool', 'team-1'] });
    });

    it('are taken from the clients that are named, people’s and clients’ own', async () => {
      expect((await verifyCognito(await issuer.token(ofCognito))).kind).to.equal('user');
      const own = { ...wellMade, subject: 'team-1', cognito: { clientId: 'team-1', tokenUse: 'access' } };
      expect((await verifyCognito(await issuer.token(own))).kind).to.equal('client');
    });

    const wrong: Record<string, Parameters<TestIssuer['token']>[0]> = {
      'another client': { ...ofCognito, cognito: { clientId: 'other', tokenUse: 'access' } },
      'an ID token': { ...ofCognito, cognito: { clientId: 'retool', tokenUse: 'id' } },
      'another audience beside the right client': { ...ofCognito, audience: 'other', typ: 'at+jwt' },
      'the right audience and no type': { ...ofCognito, audience: 'wardstone' },
      'the type of a service token': { ...ofCognito, typ: 'wardstone-service+jwt' },
      'another issuer': { ...ofCognito, issuer: 'https://elsewhere.example' },
      'a lifetime of more than an hour': { ...ofCognito, expiresInSeconds: 3601 },
    };
    for (const [name, options] of Object.entries(wrong)) {
      it(`are refused with ${name}`, async () => {
        expect(await reasonOf(verifyCognito(await issuer.token(options)))).to.equal('TOKEN_INVALID');
      });
    }

    it('are refused where no client is named', async () => {
      expect(await reasonOf(verify(await issuer.token(ofCognito)))).to.equal('TOKEN_INVALID');
    });
  });

  it('are told to be expired when that is all that is wrong, with a few seconds of grace', async () => {
    const expired = await issuer.token({ ...wellMade, expiresInSeconds: -10, issuedInSeconds: -600 });
    expect(await reasonOf(verify(expired))).to.equal('TOKEN_EXPIRED');
    const justNow = await issuer.token({ ...wellMade, expiresInSeconds: -2, issuedInSeconds: -600 });
    expect((await verify(justNow)).tenantId).to.equal(tenantA);
  });

  it('are refused when a character of them was changed, anywhere', async () => {
    const token = await issuer.token(wellMade);
    for (let at = 0; at < token.length; at += 1) {
      const reason = await reasonOf(verify(tampered(token, at)));
      expect(['TOKEN_INVALID', 'TOKEN_EXPIRED'], `at ${String(at)}`).to.include(reason);
    }
  }).timeout(20_000);

  it('are refused without a signature, and with one made by the public key as a secret', async () => {
    const claims = { wardstone_tenant: tenantA, wardstone_roles: ['clinician'] };
    const none = new UnsecuredJWT(claims)
      .setIssuer(issuer.issuer)
      .setAudience(issuer.audience)
      .setSubject('u-1')
      .setIssuedAt()
      .setExpirationTime('5m')
      .encode();
    expect(await reasonOf(verify(none))).to.equal('TOKEN_INVALID');

    const { keys } = (await (await fetch(issuer.jwksUri)).json()) as { keys: Record<string, string>[] };
    const publicKey = (await importJWK(keys[0] ?? {}, 'ES256')) as Parameters<typeof exportSPKI>[0];
    const secrets = [JSON.stringify(keys[0]), await exportSPKI(publicKey), keys[0]?.['x'] ?? ''];
    for (const secret of secrets) {
      const forged = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: keys[0]?.['kid'] ?? '', typ: 'at+jwt' })
        .setIssuer(issuer.issuer)
        .setAudience(issuer.audience)
        .setSubject('u-1')
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode(secret.padEnd(32)));
      expect(await reasonOf(verify(forged))).to.equal('TOKEN_INVALID');
    }
  });

  it('are refused with an unknown kid, without hammering the provider', async () => {
    await verify(await issuer.token(wellMade));
    const before = issuer.keyRequests();
    const { privateKey } = await generateKeyPair('ES256');
    for (let tried = 0; tried < 20; tried += 1) {
      const token = await new SignJWT({ wardstone_tenant: tenantA, wardstone_roles: ['clinician'] })
        .setProtectedHeader({ alg: 'ES256', kid: `unknown-${String(tried)}`, typ: 'at+jwt' })
        .setIssuer(issuer.issuer)
        .setAudience(issuer.audience)
        .setSubject('u-1')
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey);
      expect(await reasonOf(verify(token))).to.equal('TOKEN_INVALID');
    }
    expect(issuer.keyRequests() - before).to.be.lessThan(2);
  });

  it('go on being verified by known keys when an unknown kid finds the provider away', async () => {
    let clock = Date.now();
    const own = await startTestIssuer();
    const verifyOwn = createAccessTokenVerifier({ issuer: own.issuer, audience: own.audience, now: () => clock });
    const good = await own.token({ tenantId: tenantA, subject: 'u-1' });
    await verifyOwn(good);
    await own.close();
    // Past the key set's own pause, so that the unknown kid really asks the provider that is away.
    clock += 31_000;
    const stranger = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'made-up', typ: 'at+jwt' })
      .setIssuer(own.issuer)
      .setAudience(own.audience)
      .setSubject('x')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign((await generateKeyPair('ES256')).privateKey);
    await reasonOf(verifyOwn(stranger));
    expect((await verifyOwn(good)).subject).to.equal('u-1');
  });

  it('need keys that were had once, or can be had', async () => {
    const provider = await startTestIssuer();
    let nowMs = Date.now();
    const options = { issuer: provider.issuer, audience: provider.audience, now: () => nowMs };
    const verifier = createAccessTokenVerifier(options);
    await verifier.needsKeys();
    await provider.close();
    await verifier.needsKeys();
    const tooLate = createAccessTokenVerifier(options);
    expect(await reasonOf(tooLate.needsKeys())).to.equal('SERVICE_UNAVAILABLE');
    nowMs += 2_000;
    expect(await reasonOf(tooLate.needsKeys())).to.equal('SERVICE_UNAVAILABLE');
  });

  it('are refused when they are no tokens, or endless', async () => {
    for (const token of ['', '.', '..', 'a.b.c', 'x'.repeat(100_000), 'ü.ü.ü']) {
      expect(await reasonOf(verify(token))).to.equal('TOKEN_INVALID');
    }
  });
});

describe('access tokens: the provider', () => {
  /** A provider that answers what it is told to, and counts. */
  async function provider(answer: { status: number; body: unknown }) {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests += 1;
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    return {
      url: `http://127.0.0.1:${String(port)}`,
      requests: () => requests,
      close: () => new Promise<void>((resolve) => server.close(() => resolve())),
    };
  }

  const pair = generateKeyPair('ES256', { extractable: true });
  async function tokenFrom(issuer: string, alg = 'ES256', keys = pair): Promise<string> {
    return new SignJWT({ wardstone_tenant: tenantA, wardstone_roles: ['clinician'] })
      .setProtectedHeader({ alg, kid: 'k', typ: 'at+jwt' })
      .setIssuer(issuer)
      .setAudience('wardstone')
      .setSubject('u-1')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign((await keys).privateKey);
  }

  it('that is away makes the call fail as unavailable, not as unauthenticated; and works once it is back', async () => {
    const jwk = { ...(await exportJWK((await pair).publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    const answer = { status: 500, body: { keys: [jwk] } };
    const down = await provider(answer);
    let nowMs = Date.now();
    const options = { issuer: down.url, audience: 'wardstone', jwksUri: `${down.url}/jwks`, now: () => nowMs };
    const verify = createAccessTokenVerifier(options);
    const token = await tokenFrom(down.url);
    for (let tried = 0; tried < 5; tried += 1) expect(await reasonOf(verify(token))).to.equal('SERVICE_UNAVAILABLE');
    expect(down.requests(), 'failures are not asked for again at once').to.equal(1);
    answer.status = 200;
    nowMs += 2000;
    expect((await verify(token)).subject).to.equal('u-1');
    await down.close();
    expect((await verify(token)).subject, 'keys that are held serve on').to.equal('u-1');
  });

  for (const [alg, accepted] of Object.entries({ RS256: true, ES256: true, EdDSA: true, PS256: false, ES384: false })) {
    it(`that signs with ${alg} is ${accepted ? 'accepted' : 'refused'}`, async () => {
      const keys = generateKeyPair(alg, { extractable: true });
      const jwk = { ...(await exportJWK((await keys).publicKey)), kid: 'k', alg, use: 'sig' };
      const signing = await provider({ status: 200, body: { keys: [jwk] } });
      const verify = createAccessTokenVerifier({ issuer: signing.url, audience: 'wardstone', jwksUri: signing.url });
      const reason = await reasonOf(verify(await tokenFrom(signing.url, alg, keys)));
      await signing.close();
      expect(reason).to.equal(accepted ? 'no error' : 'TOKEN_INVALID');
    });
  }

  it('is not believed when its discovery document names another issuer', async () => {
    const lying = await provider({
      status: 200,
      body: { issuer: 'https://else.example', jwks_uri: 'https://else.example' },
    });
    const verify = createAccessTokenVerifier({ issuer: lying.url, audience: 'wardstone' });
    expect(await reasonOf(verify(await tokenFrom(lying.url)))).to.equal('SERVICE_UNAVAILABLE');
    await lying.close();
  });

  it('that refuses connections is unavailable', async () => {
    const verify = createAccessTokenVerifier({ issuer: 'http://127.0.0.1:1', audience: 'wardstone' });
    expect(await reasonOf(verify(await tokenFrom('http://127.0.0.1:1')))).to.equal('SERVICE_UNAVAILABLE');
  });
});
