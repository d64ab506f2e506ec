import { expect } from 'chai';
import { Outcome } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { eventually } from '@wardstone/testing';
import { UnsecuredJWT } from 'jose';
import { expectProblem, postJson } from './support/http.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

describe('sign-in and permissions', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.close());

  it('says who the caller is, and what follows from its roles', async () => {
    const token = await world.bearer({ roles: ['auditor'], purposeOfUse: 'HOPERAT', subject: 'user-7' });
    const me = await (await fetch(`${world.url}/v1/me`, { headers: token })).json();
    expect(me).to.deep.equal({
      subject: 'user-7',
      kind: 'user',
      tenantId: tenantA,
      roles: ['auditor'],
      purposeOfUse: 'HOPERAT',
      permissions: [
        { resource: 'answer-settings', action: 'read' },
        { resource: 'answer-usage', action: 'read' },
        { resource: 'tenant', action: 'read' },
        { resource: 'key-rotation', action: 'read' },
        { resource: 'offboarding', action: 'read' },
        { resource: 'audit-event', action: 'read' },
      ],
    });
  });

  it('tells a client from a user, and a principal of the platform from one of a tenant', async () => {
    const client = await world.bearer({ client: true, subject: 'client-1', roles: ['builder'] });
    expect(await (await fetch(`${world.url}/v1/me`, { headers: client })).json()).to.include({ kind: 'client' });
    const admin = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'] })}` };
    const me = await (await fetch(`${world.url}/v1/me`, { headers: admin })).json();
    expect(me).to.deep.include({ tenantId: null, roles: ['platform_admin'] });
  });

  it('refuses every token but a good one, each with its reason and challenge', async () => {
    const good = (await world.bearer()).authorization.slice('Bearer '.length);
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const none = new UnsecuredJWT({ wardstone_roles: ['clinician'], wardstone_tenant: tenantA })
      .setIssuer(world.issuer.issuer)
      .setAudience('wardstone')
      .setSubject('user-1')
      .setIssuedAt()
      .setExpirationTime('5m')
      .encode();
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const raised = Buffer.from(JSON.stringify({ ...claims, wardstone_roles: ['tenant_admin'] })).toString('base64url');
    const refused: [string, string | undefined, string][] = [
      ['no header', undefined, 'UNAUTHENTICATED'],
      ['another scheme', `Basic ${good}`, 'UNAUTHENTICATED'],
      ['no token', 'Bearer ', 'UNAUTHENTICATED'],
      ['unknown', 'Bearer nonsense', 'TOKEN_INVALID'],
      ['alg none', `Bearer ${none}`, 'TOKEN_INVALID'],
      ['changed claims', `Bearer ${header}.${raised}.${signature}`, 'TOKEN_INVALID'],
      ['no signature', `Bearer ${header}.${payload}.`, 'TOKEN_INVALID'],
      ['expired', await authorization({ expiresInSeconds: -60, issuedInSeconds: -120 }), 'TOKEN_EXPIRED'],
      ['wrong issuer', await authorization({ issuer: 'https://elsewhere.example' }), 'TOKEN_INVALID'],
      ['wrong audience', await authorization({ audience: 'another-api' }), 'TOKEN_INVALID'],
      ['foreign key', await authorization({ foreignKey: true }), 'TOKEN_INVALID'],
      ['too long a life', await authorization({ expiresInSeconds: 7200 }), 'TOKEN_INVALID'],
      ['no access token', await authorization({ typ: 'id+jwt' }), 'TOKEN_INVALID'],
      ['service role', await authorization({ roles: ['service'] }), 'TOKEN_INVALID'],
    ];
    for (const [name, value, reason] of refused) {
      const response = await fetch(`${world.url}/v1/me`, {
        headers: value === undefined ? {} : { authorization: value },
      });
      const problem = await expectProblem(response, 401, reason);
      expect(problem, name).not.to.have.property('errors');
      const challenge = response.headers.get('www-authenticate');
      if (reason === 'UNAUTHENTICATED') expect(challenge, name).to.equal('Bearer realm="wardstone"');
      else expect(challenge, name).to.match(/^Bearer realm="wardstone", error="invalid_token"/);
    }
  });

  it("takes no service's own token from outside", async () => {
    const { createServiceIdentity } = await import('@wardstone/access');
    const privateJwkFile = world.identities.keyFile('gateway');
    const identity = await createServiceIdentity({ service: 'gateway', privateJwkFile });
    const principal = { subject: 'user-1', kind: 'user', tenantId: tenantA, roles: ['clinician'] } as const;
    for (const audience of ['gateway', 'ingestion', 'wardstone']) {
      const token = await identity.authorize(audience)(principal);
      const response = await fetch(`${world.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
      await expectProblem(response, 401, 'TOKEN_INVALID');
    }
  });

  it('refuses what the roles do not allow before it reads the body, and has it recorded', async () => {
    world.state.auditEvents.length = 0;
    const headers = {
      ...(await world.bearer({ roles: ['auditor'], subject: 'user-9' })),
      'x-request-id': 'req-denied',
    };
    const response = await postJson(`${world.url}/v1/search`, headers, '{"query": not even JSON');
    await expectProblem(response, 403, 'PERMISSION_DENIED');
    expect(response.headers.get('www-authenticate')).to.contain('error="insufficient_scope"');
    const event = await eventually(() => world.state.auditEvents[0]);
    expect(event).to.deep.include({
      action: 'search.read',
      resourceType: 'search',
      outcome: Outcome.DENIED,
      reason: 'PERMISSION_DENIED',
      requestId: 'req-denied',
      subject: 'user-9',
    });
    expect(world.state.searches).to.deep.equal([]);
  });

  it('keeps every role to its routes', async () => {
    const documentId = '01970000-0000-7000-8000-000000000001';
    const calls: [string, string, RequestInit][] = [
      ['document.read', '/v1/documents', {}],
      ['document.download', `/v1/documents/${documentId}/content`, {}],
      ['document.delete', `/v1/documents/${documentId}`, { method: 'DELETE' }],
      ['search.read', '/v1/search', { method: 'POST', body: '{"query":"x"}' }],
      ['answer.create', '/v1/answers', { method: 'POST', body: '{"question":"x"}' }],
      ['tenant.create', '/v1/tenants', { method: 'POST', body: '{"displayName":"x"}' }],
      ['tenant.list', '/v1/tenants', {}],
      ['tenant.read', `/v1/tenants/${tenantA}`, {}],
      ['tenant.suspend', `/v1/tenants/${tenantA}/suspension`, { method: 'POST', body: '{}' }],
      ['tenant.resume', `/v1/tenants/${tenantA}/suspension`, { method: 'DELETE', body: '{}' }],
      ['key-rotation.create', `/v1/tenants/${tenantA}/key-rotations`, { method: 'POST', body: '{}' }],
      ['key-rotation.read', `/v1/tenants/${tenantA}/key-rotations/latest`, {}],
      ['key-rotation.read', `/v1/tenants/${tenantA}/key-rotations/${documentId}`, {}],
      ['offboarding.request', `/v1/tenants/${tenantA}/offboarding`, { method: 'POST', body: '{}' }],
      ['offboarding.approve', `/v1/tenants/${tenantA}/offboarding/approval`, { method: 'POST', body: '{}' }],
      ['offboarding.cancel', `/v1/tenants/${tenantA}/offboarding/cancellation`, { method: 'POST', body: '{}' }],
      ['offboarding.read', `/v1/tenants/${tenantA}/offboarding`, {}],
      ['audit-event.read', '/v1/audit-events', {}],
    ];
    const readsLifecycle = ['key-rotation.read', 'offboarding.read', 'audit-event.read'];
    const administrates = [
      ...['key-rotation.create', 'offboarding.request', 'offboarding.approve', 'offboarding.cancel'],
      ...readsLifecycle,
    ];
    const tenantRoles = ['document.read', 'search.read', 'answer.create', 'tenant.read'];
    const allowed: Record<string, string[]> = {
      clinician: [...tenantRoles, 'document.download', 'document.delete'],
      builder: tenantRoles,
      analyst: ['tenant.read'],
      auditor: ['tenant.read', ...readsLifecycle],
      tenant_admin: [...tenantRoles, 'document.download', 'document.delete', ...administrates],
      platform_admin: [
        ...['tenant.create', 'tenant.list', 'tenant.read', 'tenant.suspend', 'tenant.resume'],
        ...administrates,
      ],
    };
    for (const [role, permissions] of Object.entries(allowed)) {
      const ofPlatform = role === 'platform_admin';
      const token = await world.issuer.token({ roles: [role], ...(ofPlatform ? {} : { tenantId: tenantA }) });
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      for (const [permission, path, init] of calls) {
        const { status } = await fetch(`${world.url}${path}`, { ...init, headers });
        expect(status === 403, `${role} ${permission} answered ${status}`).to.equal(!permissions.includes(permission));
      }
    }
  });

  it('answers 503 while the provider of tokens cannot be reached, not 401', async () => {
    const lonely = await startWorld();
    const headers = await lonely.bearer();
    await lonely.issuer.close();
    try {
      const response = await fetch(`${lonely.url}/v1/me`, { headers });
      await expectProblem(response, 503, 'SERVICE_UNAVAILABLE');
      expect(response.headers.get('retry-after')).to.equal('2');
    } finally {
      await lonely.close().catch(() => undefined);
    }
  });

  async function authorization(options: Parameters<World['bearer']>[0]): Promise<string> {
    return (await world.bearer(options)).authorization;
  }
});
