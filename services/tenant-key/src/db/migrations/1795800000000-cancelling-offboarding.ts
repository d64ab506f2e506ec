import { idsOnlyFunction, migrationRoles } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { lifecycleDue as lifecycleDueBefore } from './1795500000000-tenant-lifecycle.ts';

/** An offboarding that is being taken back is a state of its own, and keys that wait for their deletion are looked at. */
export class CancellingOffboarding1795800000000 implements MigrationInterface {
  readonly name = 'CancellingOffboarding1795800000000';

  async up(runner: QueryRunner): Promise<void> {
    const statements = [
      `alter table offboarding drop constraint offboarding_state_check`,
      `alter table offboarding add constraint offboarding_state_check check (state in (
         'requested', 'approved', 'scheduled', 'purging', 'completed', 'cancelling', 'cancelled'))`,
      `alter table offboarding add column key_checked_at timestamptz(3)`,
      'drop function lifecycle_due(timestamptz, integer)',
      ...(await functionOf(runner, lifecycleDue)),
    ];
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    const statements = [
      'drop function lifecycle_due(timestamptz, timestamptz, integer)',
      ...(await functionOf(runner, lifecycleDueBefore)),
      `alter table offboarding drop column key_checked_at`,
      // Its key may be enabled again: whoever looked at the day of its deletion scheduled it anew.
      `update offboarding set state = 'scheduled' where state = 'cancelling'`,
      `alter table offboarding drop constraint offboarding_state_check`,
      `alter table offboarding add constraint offboarding_state_check
         check (state in ('requested', 'approved', 'scheduled', 'purging', 'completed', 'cancelled'))`,
    ];
    for (const statement of statements) await runner.query(statement);
  }
}

/** The owner's policies on the tables are there already. */
async function functionOf(
  runner: QueryRunner,
  spec: typeof lifecycleDue | typeof lifecycleDueBefore,
): Promise<string[]> {
  const { owner, app } = await migrationRoles(runner);
  return idsOnlyFunction({ ...spec, schema: 'tenant_key', tables: [], ownerRole: owner, appRole: app });
}

/**
 * Tenants for which something can be done now: offboardings first, then rotations of which all work is done, then keys that
 * wait for their deletion and were last looked at before `checked_before`. What, is seen when it is looked at. Whatever waits
 * for others is not here, so that it keeps nobody from his turn.
 */
const lifecycleDue = {
  name: 'lifecycle_due',
  args: 'as_of timestamptz, checked_before timestamptz, max_rows int',
  returns: 'tenant_id uuid',
  body: `select due.tenant_id from (
           select o.tenant_id, 0 as turn, o.approved_at as since from offboarding o
           where o.state in ('approved', 'cancelling') or (o.state = 'scheduled' and o.deletion_at <= as_of)
             or (o.state = 'purging' and not exists (
               select 1 from tenant_work w where w.tenant_id = o.tenant_id and w.kind = 'purge' and not w.done))
           union all
           select r.tenant_id, 1, r.started_at from key_rotation r join tenant t on t.tenant_id = r.tenant_id
           where r.completed_at is null and t.state = 'active' and not exists (
             select 1 from tenant_work w where w.tenant_id = r.tenant_id and w.work_id = r.rotation_id and not w.done)
           union all
           select o.tenant_id, 2, o.key_checked_at from offboarding o
           where o.state = 'scheduled' and o.deletion_at > as_of
             and (o.key_checked_at is null or o.key_checked_at <= checked_before)
         ) due order by due.turn, due.since limit max_rows`,
} as const;
