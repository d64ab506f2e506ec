import { AppError, createInMemoryTransport, type Principal } from '@wardstone/rpc';
import { createClient, type Client } from '@connectrpc/connect';
import { AuditService, Outcome } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { createTelemetry, type Telemetry } from '@wardstone/telemetry';
import { expect } from 'chai';
import { createMetrics } from '../src/metrics.ts';
import { routes } from '../src/routes.ts';
import { newEvent, newTenant, principal, rejection } from './support/content.ts';
import { openTestLog, type TestLog } from './support/log.ts';

describe('audit RPCs in memory', () => {
  let test: TestLog;
  let telemetry: Telemetry;
  before(async () => {
    test = await openTestLog();
    telemetry = createTelemetry({ service: 'audit', version: '0', logLevel: 'silent' });
  });
  after(async () => {
    await telemetry.shutdown();
    await test.drop();
  });

  /** A client whose calls arrive as the principal's, through the peer: the tokens are libs/access's own tests' matter. */
  function clientOf(caller: Principal, peer = 'ingestion'): Client<typeof AuditService> {
    const own = createTelemetry({ service: 'audit', version: '0', logLevel: 'silent' });
    const transport = createInMemoryTransport({
      routes: routes({ log: test.log, metrics: createMetrics(own.metrics) }),
      telemetry: own,
      callerCheck: async () => Promise.resolve({ principal: caller, peer }),
    });
    return createClient(AuditService, transport);
  }
  const reasonOf = async (promise: Promise<unknown>): Promise<string> => AppError.from(await rejection(promise)).reason;
  const filterless = { pageSize: 0, pageToken: '' };

  it('takes actor, tenant, roles, purpose and service from the call', async () => {
    const tenantId = newTenant();
    const caller = principal({ tenantId, subject: 'user-9', roles: ['builder', 'auditor'], purposeOfUse: 'HOPERAT' });
    const event = newEvent();
    const { recorded } = await clientOf(caller, 'llm').appendEvents({ events: [event] });
    expect(recorded).to.have.length(1);
    const [stored] = await test.chain(tenantId);
    expect(stored).to.deep.include({
      eventId: event.eventId,
      tenantId,
      actorSubject: 'user-9',
      actorKind: 'user',
      actorRoles: ['builder', 'auditor'],
      purposeOfUse: 'HOPERAT',
      service: 'llm',
      sequence: recorded[0]?.sequence,
      hash: recorded[0]?.hash,
    });
  });

  it('refuses what is not an event', async () => {
    const client = clientOf(principal({ tenantId: newTenant() }));
    const bad = [
      [],
      [newEvent({ eventId: 'x' })],
      [newEvent({ action: 'Download the file of Mr Smith' })],
      [newEvent({ outcome: Outcome.UNSPECIFIED })],
      [newEvent({ resourceIds: ['John Smith'] })],
      [newEvent({ attributes: { note: 'chest pain' } })],
      Array.from({ length: 101 }, () => newEvent()),
    ];
    for (const events of bad) expect(await reasonOf(client.appendEvents({ events }))).to.equal('INVALID_ARGUMENT');
    const { occurredAt: _, ...timeless } = newEvent();
    expect(await reasonOf(client.appendEvents({ events: [timeless] }))).to.equal('INVALID_ARGUMENT');
  });

  it('pages through all events, newest first, without a gap or a repeat while more arrive', async () => {
    const tenantId = newTenant();
    const client = clientOf(principal({ tenantId, roles: ['auditor'] }), 'gateway');
    await client.appendEvents({ events: Array.from({ length: 25 }, () => newEvent()) });
    const seen: bigint[] = [];
    let pageToken = '';
    do {
      const page = await client.listEvents({ pageSize: 10, pageToken, action: 'document.download' });
      seen.push(...page.events.map(({ sequence }) => sequence));
      pageToken = page.nextPageToken;
      await client.appendEvents({ events: [newEvent()] });
    } while (pageToken !== '');
    expect(seen).to.deep.equal(Array.from({ length: 25 }, (_, at) => BigInt(25 - at)));
  });

  it('records each reading once, before it answers, with who read what', async () => {
    const tenantId = newTenant();
    const client = clientOf(principal({ tenantId, subject: 'auditor-1', roles: ['auditor'] }), 'gateway');
    await client.appendEvents({ events: [newEvent(), newEvent()] });
    const { events } = await client.listEvents(filterless);
    expect(events.map(({ action }) => action)).to.deep.equal(['document.download', 'document.download']);
    const chain = await test.chain(tenantId);
    expect(chain).to.have.length(3);
    expect(chain.at(-1)).to.deep.include({
      action: 'audit-event.read',
      actorSubject: 'auditor-1',
      service: 'audit',
      outcome: 'success',
      attributes: { peer: 'gateway', events: '2', from_sequence: '1', to_sequence: '2' },
    });
    const again = await client.listEvents(filterless);
    expect(again.events.map(({ sequence }) => sequence)).to.deep.equal([3n, 2n, 1n]);
    expect(await test.chain(tenantId)).to.have.length(4);
  });

  it('returns nothing when the reading cannot be recorded', async () => {
    const tenantId = newTenant();
    const log = { list: test.log.list, append: async () => Promise.reject(new AppError('DATABASE_UNAVAILABLE')) };
    const transport = createInMemoryTransport({
      routes: routes({
        log,
        metrics: createMetrics(createTelemetry({ service: 'audit', version: '0', logLevel: 'silent' }).metrics),
      }),
      telemetry,
      callerCheck: async () => Promise.resolve({ principal: principal({ tenantId }), peer: 'gateway' }),
    });
    expect(await reasonOf(createClient(AuditService, transport).listEvents(filterless))).to.equal(
      'DATABASE_UNAVAILABLE',
    );
  });

  it('refuses page tokens that are made up, another tenant’s, or of another filter', async () => {
    const [one, other] = [newTenant(), newTenant()];
    const client = clientOf(principal({ tenantId: one, roles: ['auditor'] }), 'gateway');
    await client.appendEvents({ events: [newEvent(), newEvent(), newEvent()] });
    const { nextPageToken } = await client.listEvents({ pageSize: 1 });
    expect(nextPageToken).not.to.equal('');
    const stranger = clientOf(principal({ tenantId: other, roles: ['auditor'] }), 'gateway');
    for (const call of [
      client.listEvents({ pageToken: 'abc' }),
      client.listEvents({ pageToken: Buffer.from('{"before":"2","v":1}').toString('base64url') }),
      client.listEvents({ pageToken: `${nextPageToken}A` }),
      client.listEvents({ pageToken: nextPageToken, actorSubject: 'user-1' }),
      stranger.listEvents({ pageToken: nextPageToken }),
    ]) {
      expect(await reasonOf(call)).to.equal('PAGE_TOKEN_INVALID');
    }
    expect((await client.listEvents({ pageToken: nextPageToken })).events).to.have.length.greaterThan(0);
  });

  it('gives a principal of the platform the platform’s chain alone', async () => {
    const tenantId = newTenant();
    await clientOf(principal({ tenantId })).appendEvents({ events: [newEvent()] });
    const admin = principal({ tenantId: undefined, roles: ['platform_admin'], subject: 'admin-1' });
    const event = newEvent({ action: 'tenant.create', resourceType: 'tenant' });
    await clientOf(admin, 'tenant-key').appendEvents({ events: [event] });
    const { events } = await clientOf(admin, 'gateway').listEvents({ pageSize: 500 });
    expect(events.map(({ eventId }) => eventId)).to.include(event.eventId);
    expect(events.every((each) => each.tenantId === '')).to.equal(true);
  });
});
