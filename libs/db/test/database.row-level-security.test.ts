import { expect } from 'chai';
import pg from 'pg';
import { randomUUID } from 'node:crypto';
import type { Database } from '../src/index.ts';
import { createFixture, NoteEntity, rejection, tenantA, tenantB, type Fixture } from './fixtures.ts';

describe('row-level security', () => {
  let fixture: Fixture;
  let database: Database;
  before(async () => {
    fixture = await createFixture();
    database = await fixture.open();
  });
  after(async () => fixture.drop());

  async function noteOf(tenantId: string, body = 'kept'): Promise<string> {
    const id = randomUUID();
    await database.inTenant(tenantId, async (tx) => tx.insert(NoteEntity, { id, tenantId, body }));
    return id;
  }

  it('shows a tenant its own rows only', async () => {
    const [mine, theirs] = [await noteOf(tenantA), await noteOf(tenantB)];
    const seen = await database.inTenant(tenantA, async (tx) => tx.find(NoteEntity));
    expect(seen.map(({ id }) => id)).to.include(mine);
    expect(seen.every(({ tenantId }) => tenantId === tenantA)).to.equal(true);
    expect(await database.inTenant(tenantA, async (tx) => tx.findOneBy(NoteEntity, { id: theirs }))).to.equal(null);
  });

  it("refuses to insert a row of another tenant, or to move one's own there", async () => {
    const insert = database.inTenant(tenantA, async (tx) =>
      tx.insert(NoteEntity, { id: randomUUID(), tenantId: tenantB, body: 'planted' }),
    );
    expect(await rejection(insert)).to.have.nested.property('driverError.code', '42501');
    const id = await noteOf(tenantA);
    const move = database.inTenant(tenantA, async (tx) => tx.update(NoteEntity, { id }, { tenantId: tenantB }));
    expect(await rejection(move)).to.have.nested.property('driverError.code', '42501');
  });

  it("neither updates nor deletes another tenant's rows", async () => {
    const theirs = await noteOf(tenantB);
    const updated = await database.inTenant(tenantA, async (tx) =>
      tx.update(NoteEntity, { id: theirs }, { body: 'defaced' }),
    );
    const deleted = await database.inTenant(tenantA, async (tx) => tx.delete(NoteEntity, { id: theirs }));
    expect([updated.affected, deleted.affected]).to.deep.equal([0, 0]);
    const left = await fixture.server.query('select body from notes.note where id = $1', [theirs]);
    expect(left).to.deep.equal([{ body: 'kept' }]);
  });

  it('hides every row from a transaction without a tenant', async () => {
    await noteOf(tenantA);
    expect(await database.inPlatform(async (tx) => tx.count(NoteEntity))).to.equal(0);
  });

  it('hides every row from the owner too', async () => {
    await noteOf(tenantA);
    const client = new pg.Client(fixture.server.schema('notes').ownerUrl);
    await client.connect();
    try {
      await client.query('drop policy note_owner_reads on notes.note');
      expect((await client.query('select * from notes.note')).rowCount).to.equal(0);
    } finally {
      await client.query('create policy note_owner_reads on notes.note for select to current_user using (true)');
      await client.end();
    }
  });

  it('gives ids across tenants through the ids-only function, and nothing else', async () => {
    const [mine, theirs] = [await noteOf(tenantA), await noteOf(tenantB)];
    const rows: unknown = await database.inPlatform(async (tx) => tx.query<unknown>('select * from all_notes(1000)'));
    expect(rows).to.deep.include({ tenant_id: tenantA, note_id: mine });
    expect(rows).to.deep.include({ tenant_id: tenantB, note_id: theirs });
  });

  for (const sql of [
    'alter table note disable row level security',
    'alter table note no force row level security',
    'drop policy note_tenant on note',
    'create policy everything on note using (true)',
    'truncate note',
    'set local row_security = off; select * from note',
    'set session authorization postgres',
    'alter policy note_tenant on note using (true)',
  ]) {
    it(`cannot be got round by the application role: ${sql}`, async () => {
      await noteOf(tenantB);
      expect(await rejection(database.inTenant(tenantA, async (tx) => tx.query<unknown>(sql)))).to.have.nested.property(
        'driverError.code',
        '42501',
      );
    });
  }

  it('does not leak the tenant to the next transaction on the same connection', async () => {
    const single = await fixture.open({ poolSize: 1, applicationName: 'db-single' });
    await noteOf(tenantA);
    const backend = async (): Promise<unknown> =>
      single.inPlatform(async (tx) =>
        tx.query<unknown>(`select pg_backend_pid(), current_setting('app.tenant_id', true) as t`),
      );
    const before = await backend();
    await single.inTenant(tenantA, async (tx) => tx.count(NoteEntity));
    await rejection(single.inTenant(tenantA, async (tx) => tx.query<unknown>('select 1/0')));
    // Outside of any transaction of ours, where nothing sets it anew.
    const left: unknown = await single.dataSource.query(`select current_setting('app.tenant_id', true) as t`);
    expect(left).to.deep.equal([{ t: '' }]);
    expect(await backend()).to.deep.equal(before);
    expect(await single.inPlatform(async (tx) => tx.count(NoteEntity))).to.equal(0);
  });

  for (const bad of ['', 'tenant', '00000000-0000-0000-0000-000000000000', `${tenantA}'`, tenantA.toUpperCase()]) {
    it(`refuses the tenant id ${JSON.stringify(bad)} before any SQL`, async () => {
      const unreachable = await fixture.open({ url: 'postgres://nobody:x@127.0.0.1:1/none' });
      let ran = false;
      const failure = await rejection(
        unreachable.inTenant(bad, async () => {
          ran = true;
          return Promise.resolve();
        }),
      );
      expect(failure).to.have.property('reason', 'TENANT_REQUIRED');
      expect(ran).to.equal(false);
    });
  }
});
