import { readFile, writeFile } from 'node:fs/promises';
import { exportSPKI, importJWK, SignJWT, UnsecuredJWT, type JWK } from 'jose';
import { AppError, Scope, type CallerCheck, type Principal, type Reason } from '@wardstone/rpc';
import { startTestIssuer, testIdentities, type TestIdentities, type TestIssuer } from '@wardstone/testing';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import {
  createAccessTokenVerifier,
  createCallerCheck,
  createPolicy,
  createServiceIdentity,
  roles,
  systemPrincipal,
  type Denial,
} from '../src/index.ts';
import { reasonOf, rpc, rpcs, tampered, tenantA, tenantB } from './support.ts';

const peers = ['gateway', 'ingestion', 'embedding', 'retrieval', 'llm', 'audit', 'tenant-key'];
const clinician: Principal = { subject: 'u-1', kind: 'user', tenantId: tenantA, roles: ['clinician'] };

describe('caller check', () => {
  let identities: TestIdentities;
  let issuer: TestIssuer;
  let check: CallerCheck;
  const denials: Denial[] = [];
  const here = 'retrieval';
  const closed = new Map<string, Reason>();

  before(async () => {
    [identities, issuer] = await Promise.all([testIdentities(), startTestIssuer()]);
    check = createCallerCheck({
      service: here,
      serviceJwksFile: identities.jwksFile,
      verifyAccessToken: createAccessTokenVerifier({ issuer: issuer.issuer, audience: issuer.audience }),
      policy: await createPolicy(),
      gate: {
        check: (tenantId) => {
          const reason = closed.get(tenantId);
          if (reason !== undefined) throw new AppError(reason);
        },
      },
      onDenied: (denial) => void denials.push(denial),
    });
  });
  after(async () => {
    await issuer.close();
    await identities.drop();
  });
  beforeEach(() => {
    denials.length = 0;
    closed.clear();
  });

  const call = (token: string | null, name = 'RetrievalService.Search') => {
    const { method, access } = rpc(name);
    const authorization = token === null ? null : `Bearer ${token}`;
    return check({ authorization, service: method.parent.typeName, method, access });
  };
  const tokenOf = async (peer: string, principal: Principal, audience = here): Promise<string> => {
    const identity = await createServiceIdentity({ service: peer, privateJwkFile: identities.keyFile(peer) });
    return identity.authorize(audience)(principal);
  };

  it('tells who called and for whom', async () => {
    expect(await call(await tokenOf('llm', clinician))).to.deep.equal({ peer: 'llm', principal: clinician });
    const client = await call(
      await issuer.token({ subject: 'team', tenantId: tenantA, roles: ['builder'], client: true }),
    );
    expect([client.peer, client.principal.subject]).to.deep.equal(['client', 'team']);
    const withPurpose = { ...clinician, purposeOfUse: 'ETREAT' };
    expect((await call(await tokenOf('gateway', withPurpose))).principal).to.deep.equal(withPurpose);
  });

  describe('every peer at every RPC', () => {
    for (const { name, access } of rpcs) {
      for (const peer of [...peers, 'client', 'user']) {
        const accepted = access.callers.includes(peer);
        it(`${name}: ${peer} is ${accepted ? 'accepted' : 'refused'}`, async () => {
          const onPlatform = access.scope === Scope.PLATFORM;
          const tenantId = onPlatform ? undefined : tenantA;
          const role = onPlatform ? 'platform_admin' : 'tenant_admin';
          const token =
            peer === 'client' || peer === 'user'
              ? await issuer.token({ roles: [role], client: peer === 'client', ...(tenantId && { tenantId }) })
              : await tokenOf(peer, { subject: 'u-1', kind: 'user', tenantId, roles: [role] });
          const reason = await reasonOf(call(token, name));
          expect(reason).to.equal(accepted ? 'no error' : 'CALLER_NOT_ACCEPTED');
        });
      }
    }
  });

  it('judges methods for services alone by the peer, and all others by the principal', async () => {
    const analyst: Principal = { ...clinician, roles: ['analyst'] };
    expect(await reasonOf(call(await tokenOf('retrieval', analyst), 'TenantKeyService.GetDataKeys'))).to.equal(
      'no error',
    );
    expect(await reasonOf(call(await tokenOf('llm', analyst)))).to.equal('PERMISSION_DENIED');
    expect(await reasonOf(call(await tokenOf('llm', systemPrincipal('llm', tenantA))))).to.equal('PERMISSION_DENIED');
    const embed = 'EmbeddingService.Embed';
    expect(await reasonOf(call(await tokenOf('retrieval', systemPrincipal('retrieval', tenantA)), embed))).to.equal(
      'no error',
    );
    const platform: Principal = { ...clinician, tenantId: undefined, roles: ['platform_admin'] };
    expect(await reasonOf(call(await tokenOf('gateway', platform), 'AuditService.AppendEvents'))).to.equal('no error');
    expect(await reasonOf(call(await tokenOf('retrieval', platform), 'TenantKeyService.GetDataKeys'))).to.equal(
      'PERMISSION_DENIED',
    );
  });

  it('refuses whoever asks for a tenant that is closed, and says so in the audit log', async () => {
    closed.set(tenantA, 'TENANT_OFFBOARDING');
    expect(await reasonOf(call(await tokenOf('gateway', clinician)))).to.equal('TENANT_OFFBOARDING');
    const ownRemoval = call(
      await tokenOf('ingestion', systemPrincipal('ingestion', tenantA)),
      'RetrievalService.RemoveDocument',
    );
    expect(await reasonOf(ownRemoval)).to.equal('TENANT_OFFBOARDING');
    expect(denials.map(({ reason }) => reason)).to.deep.equal(['TENANT_OFFBOARDING', 'TENANT_OFFBOARDING']);
    // A caller without the permission learns nothing of the tenant's state.
    const analyst = { ...clinician, roles: ['analyst'] };
    expect(await reasonOf(call(await tokenOf('gateway', analyst)))).to.equal('PERMISSION_DENIED');
    expect(await reasonOf(call(await tokenOf('gateway', { ...clinician, tenantId: tenantB })))).to.equal('no error');
  });

  it('lets nobody in while nothing is known of tenants, which is no denial', async () => {
    closed.set(tenantA, 'SERVICE_UNAVAILABLE');
    expect(await reasonOf(call(await tokenOf('gateway', clinician)))).to.equal('SERVICE_UNAVAILABLE');
    expect(denials).to.deep.equal([]);
  });

  it('accepts nobody at a method that lists "user" by mistake, or lists nobody', async () => {
    const token = await issuer.token({ tenantId: tenantA });
    const { method, access } = rpc('RetrievalService.Search');
    for (const callers of [['user'], []]) {
      const input = { authorization: `Bearer ${token}`, service: 's', method, access: { ...access, callers } };
      expect(await reasonOf(check(input))).to.equal('CALLER_NOT_ACCEPTED');
    }
  });

  it('refuses calls without a bearer token', async () => {
    for (const authorization of [null, '', 'Bearer', 'Bearer ', 'Basic dTpw', 'Bearer a b', 'bearer\ta']) {
      const { method, access } = rpc('RetrievalService.Search');
      const reason = await reasonOf(check({ authorization, service: 's', method, access }));
      expect(reason, String(authorization)).to.equal('UNAUTHENTICATED');
    }
    expect(await reasonOf(call('nonsense'))).to.equal('TOKEN_INVALID');
  });

  it('tells of denials before it throws, and of nothing else; what the listener throws changes nothing', async () => {
    await reasonOf(call('nonsense'));
    await call(await tokenOf('llm', clinician));
    expect(denials).to.deep.equal([]);
    await reasonOf(call(await tokenOf('llm', { ...clinician, roles: ['auditor'] })));
    expect(denials).to.have.length(1);
    expect(denials[0]).to.deep.include({
      peer: 'llm',
      method: 'Search',
      resource: 'search',
      reason: 'PERMISSION_DENIED',
    });
    const failing = createCallerCheck({
      service: here,
      serviceJwksFile: identities.jwksFile,
      verifyAccessToken: () => Promise.reject(new AppError('TOKEN_INVALID')),
      policy: { allows: () => false },
      onDenied: () => Promise.reject(new Error('the audit log is away')),
    });
    const { method, access } = rpc('RetrievalService.Search');
    const authorization = `Bearer ${await tokenOf('llm', clinician)}`;
    expect(await reasonOf(failing({ authorization, service: 's', method, access }))).to.equal('PERMISSION_DENIED');
  });

  describe('service tokens', () => {
    const claims = { subject: 'u-1', kind: 'user', tenantId: tenantA, roles: ['clinician'] };
    interface Forged {
      signer?: string;
      kid?: string;
      typ?: string;
      alg?: string;
      payload?: Record<string, unknown>;
    }
    /** A well-made token of llm for retrieval but for what is changed. */
    async function forged({ signer = 'llm', kid = 'llm', typ = 'wardstone-service+jwt', payload = {} }: Forged) {
      const jwk = JSON.parse(await readFile(identities.keyFile(signer), 'utf8')) as JWK;
      const now = Math.floor(Date.now() / 1000);
      const base = { iss: 'llm', sub: 'llm', aud: here, iat: now, exp: now + 60, jti: uuidv7(), principal: claims };
      return new SignJWT({ ...base, ...payload })
        .setProtectedHeader({ alg: 'EdDSA', kid, typ })
        .sign(await importJWK(jwk, 'EdDSA'));
    }
    const now = Math.floor(Date.now() / 1000);

    it('of the shape that the cases below change are accepted', async () => {
      expect((await call(await forged({}))).peer).to.equal('llm');
    });

    const refused: Record<string, Forged | (() => Forged)> = {
      'signed by another service': { signer: 'ingestion' },
      'signed by another service that says so': { signer: 'ingestion', kid: 'ingestion' },
      'of an unknown key': { kid: 'nobody' },
      'of an unknown issuer': { payload: { iss: 'nobody', sub: 'nobody' } },
      'for another service': { payload: { aud: 'ingestion' } },
      'for several services': { payload: { aud: [here, 'ingestion'] } },
      'without an audience': { payload: { aud: undefined } },
      // Made when it is presented: it must not have expired by then.
      'that live longer than 60 s': () => {
        const iat = Math.floor(Date.now() / 1000);
        return { payload: { iat, exp: iat + 61 } };
      },
      'without an end': { payload: { exp: undefined } },
      'without a time of issue': { payload: { iat: undefined } },
      'from the future': { payload: { iat: now + 3600, exp: now + 3660 } },
      'without an id': { payload: { jti: undefined } },
      'of another subject': { payload: { sub: 'gateway' } },
      'without a principal': { payload: { principal: undefined } },
      'with an unknown kind': { payload: { principal: { ...claims, kind: 'root' } } },
      'with an unknown role': { payload: { principal: { ...claims, roles: ['root'] } } },
      'with the services’ role for a person': { payload: { principal: { ...claims, roles: ['service'] } } },
      'with a tenant that is no UUID': { payload: { principal: { ...claims, tenantId: '*' } } },
      'with more in the principal': { payload: { principal: { ...claims, email: 'a@b.c' } } },
      'of the type of an access token': { typ: 'at+jwt' },
    };
    for (const [name, change] of Object.entries(refused)) {
      it(`${name} are refused`, async () => {
        const token = await forged(typeof change === 'function' ? change() : change);
        expect(await reasonOf(call(token))).to.equal('TOKEN_INVALID');
      });
    }

    it('that have expired are told so', async () => {
      const expired = await forged({ payload: { iat: now - 100, exp: now - 40 } });
      expect(await reasonOf(call(expired))).to.equal('TOKEN_EXPIRED');
    });

    it('for one service are of no use at another', async () => {
      const replayed = await tokenOf('llm', clinician, 'ingestion');
      expect(await reasonOf(call(replayed))).to.equal('TOKEN_INVALID');
    });

    it('without a signature, or with one made by the public key as a secret, are refused', async () => {
      const payload = {
        iss: 'llm',
        sub: 'llm',
        aud: here,
        iat: Math.floor(Date.now() / 1000),
        exp: Math.floor(Date.now() / 1000) + 60,
        jti: uuidv7(),
        principal: claims,
      };
      const header = { kid: 'llm', typ: 'wardstone-service+jwt' };
      const unsecured = new UnsecuredJWT(payload).encode().split('.')[1] ?? '';
      const none = Buffer.from(JSON.stringify({ alg: 'none', ...header })).toString('base64url');
      expect(await reasonOf(call(`${none}.${unsecured}.`))).to.equal('TOKEN_INVALID');
      const { keys } = JSON.parse(await readFile(identities.jwksFile, 'utf8')) as { keys: JWK[] };
      const jwk = keys.find(({ kid }) => kid === 'llm') ?? {};
      const spki = await exportSPKI((await importJWK(jwk, 'EdDSA')) as Parameters<typeof exportSPKI>[0]);
      for (const secret of [spki, jwk.x ?? '']) {
        const token = await new SignJWT(payload)
          .setProtectedHeader({ alg: 'HS256', ...header })
          .sign(new TextEncoder().encode(secret));
        expect(await reasonOf(call(token))).to.equal('TOKEN_INVALID');
      }
    });

    it('are refused when a character of them was changed, anywhere', async () => {
      const token = await forged({});
      for (let at = 0; at < token.length; at += 1) {
        const reason = await reasonOf(call(tampered(token, at)));
        expect(['TOKEN_INVALID', 'TOKEN_EXPIRED'], `at ${String(at)}`).to.include(reason);
      }
    }).timeout(20_000);
  });

  it('does not start without the public keys of the services', async () => {
    const policy = await createPolicy();
    const broken = `${identities.jwksFile}.broken`;
    await writeFile(broken, '{"keys":[]}');
    for (const serviceJwksFile of ['/nowhere', broken]) {
      const options = { service: here, serviceJwksFile, policy, verifyAccessToken: () => Promise.resolve(clinician) };
      expect(() => createCallerCheck(options)).to.throw(AppError);
    }
  });

  it('knows no role that the policy does not know', () => {
    expect(roles).to.include.members([
      'platform_admin',
      'tenant_admin',
      'clinician',
      'analyst',
      'builder',
      'auditor',
      'service',
    ]);
  });
});
