import { createAuditor, createServiceIdentity } from '@wardstone/access';
import { migrate } from '@wardstone/db';
import { AppError, asPrincipal, createServiceClient, type ServiceClient } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import {
  createTestDatabase,
  eventually,
  startTestIssuer,
  testIdentities,
  type TestDatabase,
  type TestIdentities,
  type TestIssuer,
} from '@wardstone/testing';
import { expect } from 'chai';
import { loadConfig } from '../src/config.ts';
import { migrations } from '../src/db/migrations.ts';
import { verifyChain } from '../src/domain/hash-chain.ts';
import { outcomeFromWire } from '../src/rpc/wire.ts';
import { start, type Running } from '../src/start.ts';
import { newEvent, newTenant, principal, rejection } from './support/content.ts';

describe('audit over real sockets', () => {
  let database: TestDatabase;
  let identities: TestIdentities;
  let issuer: TestIssuer;
  let running: Running;

  before(async () => {
    database = await createTestDatabase({ schemas: ['audit'] });
    const { ownerUrl, appRole, appUrl } = database.schema('audit');
    await migrate({ ownerUrl, appRole, schema: 'audit', migrations });
    identities = await testIdentities(['gateway', 'ingestion', 'audit']);
    issuer = await startTestIssuer();
    const config = loadConfig({
      WARDSTONE_PORT: '0',
      WARDSTONE_LOG_LEVEL: 'silent',
      WARDSTONE_SERVICE_KEY_FILE: identities.keyFile('audit'),
      WARDSTONE_SERVICE_JWKS_FILE: identities.jwksFile,
      WARDSTONE_OIDC_ISSUER: issuer.issuer,
      WARDSTONE_DATABASE_URL: appUrl,
    });
    running = await start(config);
  });
  after(async () => {
    for (const part of running.parts) await part.close();
    await issuer.close();
    await identities.drop();
    await database.drop();
  });

  async function clientOf(service: string): Promise<ServiceClient<typeof AuditService>> {
    const identity = await createServiceIdentity({ service, privateJwkFile: identities.keyFile(service) });
    const authorize = identity.authorize('audit');
    return createServiceClient(AuditService, { baseUrl: running.url, audience: 'audit', authorize });
  }
  const reasonOf = async (promise: Promise<unknown>): Promise<string> => AppError.from(await rejection(promise)).reason;

  it('records what a service reports for a user, and shows it to the tenant’s auditor', async () => {
    const tenantId = newTenant();
    const auditor = createAuditor(await clientOf('ingestion'));
    const clinician = principal({ tenantId, subject: 'user-3' });
    const event = {
      action: 'document.read',
      resourceType: 'document',
      resourceIds: ['doc-1'],
      outcome: 'success',
    } as const;
    await auditor.record({ principal: clinician, requestId: 'req-7' }, event);

    const reader = principal({ tenantId, subject: 'auditor-1', roles: ['auditor'] });
    const { events } = await (await clientOf('gateway')).listEvents({ pageSize: 10 }, asPrincipal(reader));
    expect(events).to.have.length(1);
    expect(events[0]).to.deep.include({ tenantId, actorSubject: 'user-3', service: 'ingestion', requestId: 'req-7' });
  });

  it('gives events that an outsider can verify', async () => {
    const tenantId = newTenant();
    const client = await clientOf('ingestion');
    await client.appendEvents({ events: [newEvent(), newEvent()] }, asPrincipal(principal({ tenantId })));
    await client.appendEvents({ events: [newEvent()] }, asPrincipal(principal({ tenantId })));
    const reader = principal({ tenantId, roles: ['auditor'] });
    const { events } = await (await clientOf('gateway')).listEvents({}, asPrincipal(reader));
    const chain = events.toReversed().map((event) => ({
      ...event,
      tenantId: event.tenantId,
      occurredAtMs: Number(event.occurredAt?.seconds) * 1_000 + Number(event.occurredAt?.nanos) / 1e6,
      recordedAtMs: Number(event.recordedAt?.seconds) * 1_000 + Number(event.recordedAt?.nanos) / 1e6,
      outcome: outcomeFromWire(event.outcome) ?? 'failure',
    }));
    expect(chain).to.have.length(3);
    expect(verifyChain(chain).ok).to.equal(true);
  });

  it('refuses a clinician’s reading and records the refusal', async () => {
    const tenantId = newTenant();
    const gateway = await clientOf('gateway');
    const clinician = principal({ tenantId, subject: 'user-5' });
    expect(await reasonOf(gateway.listEvents({}, asPrincipal(clinician)))).to.equal('PERMISSION_DENIED');
    const reader = principal({ tenantId, roles: ['auditor'] });
    const { events } = await gateway.listEvents({}, asPrincipal(reader));
    expect(events.map(({ action, actorSubject, reason }) => ({ action, actorSubject, reason }))).to.deep.equal([
      { action: 'audit-event.read', actorSubject: 'user-5', reason: 'PERMISSION_DENIED' },
    ]);
  });

  it('lets no service but the gateway read, and no client append', async () => {
    const ingestion = await clientOf('ingestion');
    const auditor = principal({ roles: ['auditor'] });
    expect(await reasonOf(ingestion.listEvents({}, asPrincipal(auditor)))).to.equal('CALLER_NOT_ACCEPTED');
    const token = await issuer.token({ client: true, subject: 'client-1', tenantId: newTenant(), roles: ['auditor'] });
    const client = createServiceClient(AuditService, {
      baseUrl: running.url,
      audience: 'audit',
      authorize: async () => Promise.resolve(token),
    });
    const anybody = asPrincipal(auditor);
    expect(await reasonOf(client.appendEvents({ events: [newEvent()] }, anybody))).to.equal('CALLER_NOT_ACCEPTED');
    expect((await client.listEvents({}, anybody)).events).to.have.length(1);
  });

  it('takes events of the platform from services, and shows them to its admin alone', async () => {
    const admin = principal({ tenantId: undefined, roles: ['platform_admin'], subject: 'admin-1' });
    const event = newEvent({ action: 'tenant.create', resourceType: 'tenant' });
    await (await clientOf('ingestion')).appendEvents({ events: [event] }, asPrincipal(admin));
    const { events } = await (await clientOf('gateway')).listEvents({}, asPrincipal(admin));
    expect(events.map(({ eventId }) => eventId)).to.include(event.eventId);
    expect(events.every(({ tenantId }) => tenantId === '')).to.equal(true);
  });

  it('says DATABASE_UNAVAILABLE and is not ready while the database is away, and works once it is back', async () => {
    const client = await clientOf('ingestion');
    const caller = asPrincipal(principal({ tenantId: newTenant() }));
    const away = await database.refuseConnections();
    try {
      expect(await reasonOf(client.appendEvents({ events: [newEvent()] }, caller))).to.equal('DATABASE_UNAVAILABLE');
      await eventually(async () => (await fetch(`${running.url}/readyz`)).status === 503, { description: 'not ready' });
    } finally {
      await away.accept();
    }
    const { recorded } = await client.appendEvents({ events: [newEvent()] }, caller);
    expect(recorded[0]?.sequence).to.equal(1n);
    await eventually(async () => (await fetch(`${running.url}/readyz`)).status === 200, { description: 'ready' });
    expect(await (await fetch(`${running.url}/metrics`)).text()).to.match(/audit_events_recorded_total\{.*ingestion/);
  });
});
