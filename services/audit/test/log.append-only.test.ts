import { expect } from 'chai';
import pg from 'pg';
import { content, newTenant, rejection, tenantA, tenantB } from './support/content.ts';
import { openTestLog, type TestLog } from './support/log.ts';

describe('the log is append-only', () => {
  let test: TestLog;
  before(async () => {
    test = await openTestLog();
    await test.log.append(tenantA, [content()]);
    await test.log.append(undefined, [content({ tenantId: undefined })]);
  });
  after(async () => test.drop());

  const changes = [
    `update audit_event set actor_subject = 'nobody'`,
    `delete from audit_event`,
    `truncate audit_event`,
    `alter table audit_event disable trigger all`,
    `drop trigger audit_event_append_only on audit_event`,
    `alter table audit_event disable row level security`,
    `drop table audit_event`,
  ];
  for (const sql of changes) {
    it(`for the service's own role: ${sql}`, async () => {
      const failure = await rejection(test.database.inTenant(tenantA, async (tx) => tx.query<unknown>(sql)));
      expect(failure).to.have.nested.property('driverError.code', '42501');
    });
  }

  for (const sql of changes.slice(0, 3)) {
    it(`for its owner and for a superuser, until they take the trigger away: ${sql}`, async () => {
      const { ownerUrl } = test.server.schema('audit');
      for (const url of [ownerUrl, test.server.adminUrl]) {
        const client = new pg.Client(url);
        await client.connect();
        try {
          await client.query('set search_path = audit');
          expect(await rejection(client.query(sql))).to.have.property('code', '23001');
        } finally {
          await client.end();
        }
      }
      expect(await test.chain(tenantA)).to.have.length(1);
    });
  }

  it('shows a tenant neither another’s events nor the platform’s, and the platform no tenant’s', async () => {
    const seen = async (sql: string, tenantId?: string): Promise<unknown> =>
      tenantId === undefined
        ? test.database.inPlatform(async (tx) => tx.query<unknown>(sql))
        : test.database.inTenant(tenantId, async (tx) => tx.query<unknown>(sql));
    const all = 'select tenant_id from audit_event';
    expect(await seen(all, tenantB)).to.deep.equal([]);
    expect(await seen(all, tenantA)).to.deep.equal([{ tenant_id: tenantA }]);
    expect(await seen(all)).to.deep.equal([{ tenant_id: '00000000-0000-0000-0000-000000000000' }]);
  });

  it('takes no event into a chain that is not the transaction’s', async () => {
    const [event] = await test.chain(tenantA);
    if (!event) throw new Error('an event was appended');
    const plant = (as: string | undefined, into: string): Promise<unknown> => {
      const sql = `insert into audit_event select $1, sequence + 1, event_id, occurred_at, recorded_at, actor_subject,
        actor_kind, actor_roles, purpose_of_use, service, action, resource_type, resource_ids, outcome, reason, request_id,
        attributes, previous_hash, hash from audit_event`;
      return as === undefined
        ? test.database.inPlatform(async (tx) => tx.query<unknown>(sql, [into]))
        : test.database.inTenant(as, async (tx) => tx.query<unknown>(sql, [into]));
    };
    for (const [as, into] of [
      [tenantA, tenantB],
      [tenantA, '00000000-0000-0000-0000-000000000000'],
      [undefined, tenantA],
    ] as const) {
      expect(await rejection(plant(as, into))).to.have.nested.property('driverError.code', '42501');
    }
  });

  it('waits for the disk before it answers, whatever the role is set to', async () => {
    const { appRole } = test.server.schema('audit');
    await test.server.query(`alter role ${appRole} set synchronous_commit = off`);
    await test.server.query('create table public.observed (setting text)');
    await test.server.query(`create function public.observe() returns trigger language plpgsql security definer as
      $$ begin insert into public.observed values (current_setting('synchronous_commit')); return null; end $$`);
    await test.server.query(
      'create trigger observe after insert on audit.audit_event for each statement execute function public.observe()',
    );
    const log = await test.another();
    const tenantId = newTenant();
    await log.append(tenantId, [content({ tenantId })]);
    expect(await test.server.query('select setting from public.observed')).to.deep.equal([{ setting: 'on' }]);
  });
});
