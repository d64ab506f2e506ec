import { idsOnlyFunction, migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Suspension, counted uses of keys, rotations, offboardings, and the work that services have with them. */
export class TenantLifecycle1795500000000 implements MigrationInterface {
  readonly name = 'TenantLifecycle1795500000000';

  async up(runner: QueryRunner): Promise<void> {
    const { owner, app } = await migrationRoles(runner);
    const statements = [
      ...tables,
      ...tenantTable('key_use', app, 'select, insert, update, delete'),
      ...tenantTable('key_rotation', app, 'select, insert, update'),
      ...tenantTable('offboarding', app, 'select, insert, update'),
      ...tenantTable('tenant_work', app, 'select, insert, update'),
      // Keys are retired, and removed with their tenant.
      `grant update (retired_at), delete on data_key to "${app}"`,
      ...announcements,
      ...idsOnlyFunction({
        ...openWork,
        schema: 'tenant_key',
        tables: ['tenant', 'tenant_work'],
        ownerRole: owner,
        appRole: app,
      }),
      ...idsOnlyFunction({
        ...lifecycleDue,
        schema: 'tenant_key',
        tables: ['key_rotation', 'offboarding'],
        ownerRole: owner,
        appRole: app,
      }),
    ];
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    const statements = [
      'drop function lifecycle_due(timestamptz, integer)',
      'drop function open_work(text, timestamptz, integer)',
      'drop trigger tenant_announced on tenant',
      'drop function announce_tenant()',
      'drop table tenant_work',
      'drop table offboarding',
      'drop table key_rotation',
      'drop table key_use',
      'alter table data_key drop column retired_at',
      'alter table tenant drop column deletion_window_days',
    ];
    for (const statement of statements) await runner.query(statement);
  }
}

const tables = [
  `alter table tenant drop constraint tenant_state_check`,
  `alter table tenant add constraint tenant_state_check
     check (state in ('active', 'suspended', 'offboarding', 'offboarded'))`,
  `alter table tenant add column deletion_window_days int not null default 30
     check (deletion_window_days between 7 and 30)`,
  // Services ask for the tenants that are not active whenever they begin to listen.
  `create index tenant_not_active on tenant (tenant_id) where state <> 'active'`,
  `alter table data_key add column retired_at timestamptz(3)`,
  // Uses that are out: leased, and not given back.
  `create table key_use (
     tenant_id uuid not null references tenant (tenant_id),
     purpose text not null,
     version int not null check (version >= 1),
     uses_out bigint not null check (uses_out >= 0),
     primary key (tenant_id, purpose, version)
   )`,
  `create table key_rotation (
     tenant_id uuid not null references tenant (tenant_id),
     rotation_id uuid not null,
     key_version int not null check (key_version >= 2),
     cause text not null check (cause in ('requested', 'use-limit')),
     requested_by text not null,
     started_at timestamptz(3) not null,
     completed_at timestamptz(3),
     primary key (tenant_id, rotation_id),
     unique (tenant_id, key_version)
   )`,
  `create unique index key_rotation_open on key_rotation (tenant_id) where completed_at is null`,
  `create table offboarding (
     tenant_id uuid not null references tenant (tenant_id),
     offboarding_id uuid not null,
     state text not null
       check (state in ('requested', 'approved', 'scheduled', 'purging', 'completed', 'cancelled')),
     requested_by text not null,
     requested_at timestamptz(3) not null,
     approved_by text,
     approved_at timestamptz(3),
     state_before text,
     deletion_at timestamptz(3),
     ended_at timestamptz(3),
     removed_at timestamptz(3),
     certificate text,
     primary key (tenant_id, offboarding_id),
     check (approved_by is null or approved_by <> requested_by)
   )`,
  `create unique index offboarding_open on offboarding (tenant_id) where state <> 'cancelled'`,
  `create table tenant_work (
     tenant_id uuid not null references tenant (tenant_id),
     work_id uuid not null,
     holder text not null,
     kind text not null check (kind in ('reseal', 'purge')),
     key_version int not null check (key_version >= 0),
     settled_at timestamptz(3),
     done boolean not null default false,
     documents_done bigint not null default 0,
     documents_left bigint not null default 0,
     removed jsonb not null default '{}',
     created_at timestamptz(3) not null,
     primary key (tenant_id, work_id, kind, holder)
   )`,
  `create index tenant_work_open on tenant_work (holder, created_at) where not done`,
];

/** Every change of a tenant is announced to the processes that listen; the payload is its id. */
const announcements = [
  `create function announce_tenant() returns trigger language plpgsql as $announce$
     begin
       perform pg_notify('wardstone_tenant', new.tenant_id::text);
       return null;
     end $announce$`,
  `create trigger tenant_announced after update of state, key_version on tenant
     for each row execute function announce_tenant()`,
];

/** Keys are needed to seal again, and a tenant that is not active gets none: that work waits. */
export const openWork = {
  name: 'open_work',
  args: 'of_holder text, as_of timestamptz, max_rows int',
  returns: 'work_id uuid, tenant_id uuid, is_purge int, key_version int, settled_at timestamptz',
  body: `select w.work_id, w.tenant_id, (w.kind = 'purge')::int, w.key_version, w.settled_at
         from tenant_work w join tenant t on t.tenant_id = w.tenant_id
         where w.holder = of_holder and not w.done
           and (w.kind = 'purge' or (t.state = 'active' and w.settled_at <= as_of))
         order by w.created_at, w.work_id
         limit max_rows`,
} as const;

/**
 * Tenants for which something can be done now: offboardings first, then rotations of which all work is done. What, is seen when it
 * is looked at. Whatever waits for others is not here, so that it keeps nobody from his turn.
 */
export const lifecycleDue = {
  name: 'lifecycle_due',
  args: 'as_of timestamptz, max_rows int',
  returns: 'tenant_id uuid',
  body: `select due.tenant_id from (
           select o.tenant_id, 0 as turn, o.approved_at as since from offboarding o
           where o.state = 'approved' or (o.state = 'scheduled' and o.deletion_at <= as_of)
             or (o.state = 'purging' and not exists (
               select 1 from tenant_work w where w.tenant_id = o.tenant_id and w.kind = 'purge' and not w.done))
           union all
           select r.tenant_id, 1, r.started_at from key_rotation r join tenant t on t.tenant_id = r.tenant_id
           where r.completed_at is null and t.state = 'active' and not exists (
             select 1 from tenant_work w where w.tenant_id = r.tenant_id and w.work_id = r.rotation_id and not w.done)
         ) due order by due.turn, due.since limit max_rows`,
} as const;
