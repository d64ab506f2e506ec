import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { AppError } from '@wardstone/rpc';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { isUniqueViolation } from '../src/index.ts';
import { createFixture, NoteEntity, rejection, tenantA, type Fixture } from './fixtures.ts';

describe('database faults', () => {
  let fixture: Fixture;
  beforeEach(async () => (fixture = await createFixture()));
  afterEach(async () => fixture.drop());

  it('opens while the server is away, says DATABASE_UNAVAILABLE, and works once it is back', async () => {
    const away = await fixture.server.refuseConnections();
    const database = await fixture.open();
    expect(await rejection(database.check())).to.have.property('reason', 'DATABASE_UNAVAILABLE');
    expect(await rejection(database.inTenant(tenantA, async (tx) => tx.count(NoteEntity)))).to.have.property(
      'reason',
      'DATABASE_UNAVAILABLE',
    );
    await away.accept();
    await database.check();
    expect(await database.inTenant(tenantA, async (tx) => tx.count(NoteEntity))).to.equal(0);
  });

  it('survives the end of every connection', async () => {
    const database = await fixture.open({ poolSize: 3 });
    await Promise.all([1, 2, 3].map(async () => database.inTenant(tenantA, async (tx) => tx.count(NoteEntity))));
    expect(await fixture.server.terminateConnections()).to.be.greaterThan(0);
    await eventually(async () => (await database.check(), true), { description: 'the pool to reconnect' });
    expect(await database.inTenant(tenantA, async (tx) => tx.count(NoteEntity))).to.equal(0);
  });

  it('rolls back and says DATABASE_UNAVAILABLE when the connection is lost in a transaction', async () => {
    const database = await fixture.open({ poolSize: 1 });
    const id = randomUUID();
    const failure = await rejection(
      database.inTenant(tenantA, async (tx) => {
        await tx.insert(NoteEntity, { id, tenantId: tenantA, body: 'half' });
        await fixture.server.terminateConnections();
        await tx.count(NoteEntity);
      }),
    );
    expect(failure).to.have.property('reason', 'DATABASE_UNAVAILABLE');
    // The only connection of the pool was lost; that it can be had again shows that it was given back.
    await eventually(async () => (await database.check(), true), { description: 'the connection to come back' });
    expect(await fixture.server.query('select from notes.note where id = $1', [id])).to.deep.equal([]);
  });

  it('says so too when the loss is noticed between two statements, of whatever kind the next one is', async () => {
    const database = await fixture.open({ poolSize: 1 });
    for (const next of [
      async (tx: EntityManager) => tx.query<unknown>('select 1'),
      async (tx: EntityManager) => tx.count(NoteEntity),
      async (tx: EntityManager) => tx.insert(NoteEntity, { id: randomUUID(), tenantId: tenantA, body: 'late' }),
    ]) {
      const failure = await rejection(
        database.inTenant(tenantA, async (tx) => {
          await tx.count(NoteEntity);
          await fixture.server.terminateConnections();
          await eventually(() => tx.queryRunner?.isReleased === true, { description: 'the loss to be noticed' });
          await next(tx);
        }),
      );
      expect(failure).to.have.property('reason', 'DATABASE_UNAVAILABLE');
      await eventually(async () => (await database.check(), true), { description: 'the connection to come back' });
    }
  });

  it('holds at most as many connections as the pool has, and fails those that wait too long', async () => {
    const database = await fixture.open({ poolSize: 2, acquireTimeoutMs: 200, applicationName: 'db-bounded' });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let inside = 0;
    const holders = [1, 2].map(async () =>
      database.inTenant(tenantA, async (tx) => {
        await tx.query<unknown>('select 1');
        inside += 1;
        await held;
      }),
    );
    await eventually(() => inside === 2, { description: 'both connections to be taken' });
    const third = await rejection(database.inTenant(tenantA, async () => Promise.resolve()));
    expect(third).to.have.property('reason', 'DATABASE_UNAVAILABLE');
    const connections = await fixture.server.query(
      `select count(*)::int as n from pg_stat_activity where application_name = 'db-bounded'`,
    );
    expect(connections).to.deep.equal([{ n: 2 }]);
    release();
    await Promise.all(holders);
  });

  it('ends a statement that runs too long', async () => {
    const database = await fixture.open({ statementTimeoutMs: 200 });
    const failure = await rejection(database.inTenant(tenantA, async (tx) => tx.query<unknown>('select pg_sleep(30)')));
    expect(failure).to.have.property('reason', 'DATABASE_UNAVAILABLE');
    expect(failure).to.have.nested.property('cause.driverError.code', '57014');
  });

  it('passes on what the work throws, and what the statement is to blame for', async () => {
    const database = await fixture.open();
    const thrown = new AppError('DOCUMENT_NOT_FOUND');
    expect(await rejection(database.inTenant(tenantA, async () => Promise.reject(thrown)))).to.equal(thrown);
    const id = randomUUID();
    const twice = database.inTenant(tenantA, async (tx) => {
      await tx.insert(NoteEntity, { id, tenantId: tenantA, body: 'one' });
      await tx.insert(NoteEntity, { id, tenantId: tenantA, body: 'two' });
    });
    const failure = await rejection(twice);
    expect(isUniqueViolation(failure)).to.equal(true);
    expect(isUniqueViolation(failure, 'note_pkey')).to.equal(true);
    expect(isUniqueViolation(failure, 'other')).to.equal(false);
    expect(await fixture.server.query('select from notes.note where id = $1', [id])).to.deep.equal([]);
  });

  it('commits what the caller wants committed, and gives the result of either', async () => {
    const database = await fixture.open();
    const write = (body: string) =>
      database.inTenant(
        tenantA,
        async (tx) => {
          await tx.insert(NoteEntity, { id: randomUUID(), tenantId: tenantA, body });
          return body;
        },
        { commitIf: (result) => result === 'wanted' },
      );
    expect([await write('not wanted'), await write('wanted')]).to.deep.equal(['not wanted', 'wanted']);
    const found = await fixture.server.query(`select body from notes.note where body like '%wanted'`);
    expect(found).to.deep.equal([{ body: 'wanted' }]);
  });

  it('runs in the isolation that was asked for', async () => {
    const database = await fixture.open();
    const shown: unknown = await database.inTenant(
      tenantA,
      async (tx) => tx.query<unknown>('show transaction_isolation'),
      {
        isolation: 'REPEATABLE READ',
      },
    );
    expect(shown).to.deep.equal([{ transaction_isolation: 'repeatable read' }]);
  });

  it('closes once and for all, and leaves no connection', async () => {
    const database = await fixture.open({ applicationName: 'db-closing' });
    await database.check();
    await Promise.all([database.close(), database.close()]);
    expect(await rejection(database.check())).to.have.property('reason', 'DATABASE_UNAVAILABLE');
    await eventually(
      async () =>
        (await fixture.server.query(`select from pg_stat_activity where application_name = 'db-closing'`)).length === 0,
      { description: 'the connections to end' },
    );
  });
});
