import { expect } from 'chai';
import { verifyChain } from '../src/domain/hash-chain.ts';
import { content, newTenant, rejection } from './support/content.ts';
import { everything, openTestLog, type TestLog } from './support/log.ts';

describe('appending to the log', () => {
  let test: TestLog;
  before(async () => (test = await openTestLog()));
  after(async () => test.drop());

  it('numbers the events of each chain from 1, and gives them back as they were recorded', async () => {
    const [one, other] = [newTenant(), newTenant()];
    const events = [content({ tenantId: one }), content({ tenantId: one, resourceIds: [], attributes: {} })];
    const recorded = await test.log.append(one, events);
    await test.log.append(other, [content({ tenantId: other })]);
    expect(recorded.map(({ sequence }) => sequence)).to.deep.equal([1n, 2n]);
    expect(await test.chain(one)).to.deep.equal(recorded);
    expect(recorded.map(({ eventId }) => eventId)).to.deep.equal(events.map(({ eventId }) => eventId));
    expect((await test.chain(other)).map(({ sequence }) => sequence)).to.deep.equal([1n]);
  });

  it('keeps the platform’s chain apart from every tenant’s', async () => {
    const tenantId = newTenant();
    await test.log.append(tenantId, [content({ tenantId })]);
    await test.log.append(undefined, [content({ tenantId: undefined, action: 'tenant.create' })]);
    const platform = await test.chain(undefined);
    expect(platform.every((event) => event.tenantId === undefined)).to.equal(true);
    expect(verifyChain(platform).ok).to.equal(true);
    expect(await test.chain(tenantId)).to.have.length(1);
  });

  it('leaves no gap and no fork under 200 appends at once, from two processes', async () => {
    const tenantId = newTenant();
    const logs = [test.log, await test.another()];
    test.commits.length = 0;
    const appends = Array.from({ length: 200 }, async (_, at) => {
      const log = logs[at % 2] ?? test.log;
      return log.append(tenantId, [content({ tenantId }), content({ tenantId })]);
    });
    const answers = (await Promise.all(appends)).flat();
    const chain = await test.chain(tenantId);
    expect(chain.map(({ sequence }) => sequence)).to.deep.equal(Array.from({ length: 400 }, (_, at) => BigInt(at + 1)));
    expect(verifyChain(chain).ok).to.equal(true);
    const byId = new Map(chain.map((event) => [event.eventId, event.sequence]));
    expect(answers.every(({ eventId, sequence }) => byId.get(eventId) === sequence)).to.equal(true);
    expect(test.commits.length).to.be.lessThan(100);
  });

  it('lets two processes take turns, event by event', async () => {
    const tenantId = newTenant();
    const logs = [test.log, await test.another()];
    const turns = logs.map(async (log) => {
      for (let at = 0; at < 40; at += 1) await log.append(tenantId, [content({ tenantId })]);
    });
    await Promise.all(turns);
    const chain = await test.chain(tenantId);
    expect(chain).to.have.length(80);
    expect(verifyChain(chain).ok).to.equal(true);
  });

  it('records a repeated event once, and answers with its place', async () => {
    const tenantId = newTenant();
    const event = content({ tenantId });
    const [first] = await test.log.append(tenantId, [event]);
    await test.log.append(tenantId, [content({ tenantId })]);
    const [again] = await test.log.append(tenantId, [event]);
    expect(again).to.deep.equal(first);
    const twice = content({ tenantId });
    const both = await test.log.append(tenantId, [twice, twice]);
    expect(both.map(({ sequence }) => sequence)).to.deep.equal([3n, 3n]);
    const together = await Promise.all([1, 2, 3].map(async () => test.log.append(tenantId, [event, twice])));
    expect(together.flat().map(({ sequence }) => sequence)).to.deep.equal([1n, 3n, 1n, 3n, 1n, 3n]);
    expect(await test.chain(tenantId)).to.have.length(3);
  });

  it('refuses an event id that was recorded with another content, and nothing else of the moment', async () => {
    const tenantId = newTenant();
    const event = content({ tenantId });
    await test.log.append(tenantId, [event]);
    const [bad, good] = await Promise.allSettled([
      test.log.append(tenantId, [content({ tenantId }), { ...event, actorSubject: 'user-2' }]),
      test.log.append(tenantId, [content({ tenantId })]),
    ]);
    expect(bad).to.have.nested.property('reason.reason', 'IDEMPOTENCY_KEY_REUSED');
    expect(good).to.have.nested.property('value[0].sequence', 2n);
    expect(await test.chain(tenantId)).to.have.length(2);
  });

  it('lets two tenants use the same event id, so that neither learns of the other’s', async () => {
    const [one, other] = [newTenant(), newTenant()];
    const event = content({ tenantId: one });
    await test.log.append(one, [event]);
    const [recorded] = await test.log.append(other, [{ ...event, tenantId: other }]);
    expect(recorded?.sequence).to.equal(1n);
  });

  it('does not let one append that the database refuses fail its neighbours', async () => {
    const tenantId = newTenant();
    // Postgres stores no NUL; the wire's validation would have refused it.
    const appends = [content({ tenantId }), content({ tenantId, reason: '\u0000' }), content({ tenantId })].map(
      async (event) => test.log.append(tenantId, [event]),
    );
    const settled = await Promise.allSettled(appends);
    expect(settled.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    expect(verifyChain(await test.chain(tenantId)).ok).to.equal(true);
  });

  it('says DATABASE_UNAVAILABLE while the server is away, and goes on with the chain once it is back', async () => {
    const tenantId = newTenant();
    await test.log.append(tenantId, [content({ tenantId })]);
    const away = await test.server.refuseConnections();
    try {
      const failures = await Promise.all(
        [1, 2, 3].map(async () => rejection(test.log.append(tenantId, [content({ tenantId })]))),
      );
      for (const failure of failures) expect(failure).to.have.property('reason', 'DATABASE_UNAVAILABLE');
    } finally {
      await away.accept();
    }
    const [next] = await test.log.append(tenantId, [content({ tenantId })]);
    expect(next?.sequence).to.equal(2n);
    expect(verifyChain(await test.chain(tenantId)).ok).to.equal(true);
  });

  it('lists by each filter, newest first', async () => {
    const tenantId = newTenant();
    const make = async (overrides: Parameters<typeof content>[0]): Promise<bigint | undefined> =>
      (await test.log.append(tenantId, [content({ tenantId, ...overrides })]))[0]?.sequence;
    await make({ actorSubject: 'user-2', occurredAtMs: 1_000 });
    await make({ action: 'search.read', occurredAtMs: 2_000 });
    await make({ resourceIds: ['doc-7', 'doc-8'], occurredAtMs: 3_000 });
    await make({ outcome: 'denied', reason: 'PERMISSION_DENIED', occurredAtMs: 4_000 });
    await make({ requestId: 'req-9', occurredAtMs: 5_000 });
    const list = async (query: object): Promise<number[]> =>
      (await test.log.list(tenantId, { ...everything, ...query })).map(({ sequence }) => Number(sequence));
    expect(await list({})).to.deep.equal([5, 4, 3, 2, 1]);
    expect(await list({ limit: 2 })).to.deep.equal([5, 4]);
    expect(await list({ before: 3n })).to.deep.equal([2, 1]);
    expect(await list({ actorSubject: 'user-2' })).to.deep.equal([1]);
    expect(await list({ action: 'search.read' })).to.deep.equal([2]);
    expect(await list({ resourceId: 'doc-8' })).to.deep.equal([3]);
    expect(await list({ outcome: 'denied' })).to.deep.equal([4]);
    expect(await list({ requestId: 'req-9' })).to.deep.equal([5]);
    expect(await list({ occurredFromMs: 2_000, occurredBeforeMs: 4_000 })).to.deep.equal([3, 2]);
    expect(await list({ action: 'search.read', outcome: 'denied' })).to.deep.equal([]);
  });
});
