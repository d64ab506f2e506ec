import { idsOnlyFunction, migrationRoles } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { openWork as openWorkBefore } from './1795500000000-tenant-lifecycle.ts';

/** Work that was begun goes to the end of the line: what does not move keeps nobody from his turn. */
export class WorkInTurns1795810000000 implements MigrationInterface {
  readonly name = 'WorkInTurns1795810000000';

  async up(runner: QueryRunner): Promise<void> {
    const statements = [
      'alter table tenant_work add column begun_at timestamptz(3)',
      'drop index tenant_work_open',
      'create index tenant_work_open on tenant_work (holder, begun_at nulls first, created_at) where not done',
      ...(await openWorkAs(runner, openWork)),
    ];
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    const statements = [
      ...(await openWorkAs(runner, openWorkBefore)),
      'drop index tenant_work_open',
      'create index tenant_work_open on tenant_work (holder, created_at) where not done',
      'alter table tenant_work drop column begun_at',
    ];
    for (const statement of statements) await runner.query(statement);
  }
}

/** The owner's policies on the tables are there already. */
async function openWorkAs(runner: QueryRunner, spec: typeof openWork | typeof openWorkBefore): Promise<string[]> {
  const { owner, app } = await migrationRoles(runner);
  const made = idsOnlyFunction({ ...spec, schema: 'tenant_key', tables: [], ownerRole: owner, appRole: app });
  return ['drop function open_work(text, timestamptz, integer)', ...made];
}

/** Keys are needed to seal again, and a tenant that is not active gets none: that work waits. */
const openWork = {
  name: 'open_work',
  args: 'of_holder text, as_of timestamptz, max_rows int',
  returns: 'work_id uuid, tenant_id uuid, is_purge int, key_version int, settled_at timestamptz',
  body: `select w.work_id, w.tenant_id, (w.kind = 'purge')::int, w.key_version, w.settled_at
         from tenant_work w join tenant t on t.tenant_id = w.tenant_id
         where w.holder = of_holder and not w.done
           and (w.kind = 'purge' or (t.state = 'active' and w.settled_at <= as_of))
         order by w.begun_at nulls first, w.created_at, w.work_id
         limit max_rows`,
} as const;
