import { migrationRoles, nilUuid } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A transaction without a tenant is bound to the platform's own chain: it sees no tenant's rows, and no tenant its. */
const currentChain = `coalesce(nullif(current_setting('app.tenant_id', true), '')::uuid, '${nilUuid}')`;

/** The append-only log: the application role may insert and select; nobody may change or remove, not even the owner. */
export class CreateAuditEvent1795200000000 implements MigrationInterface {
  name = 'CreateAuditEvent1795200000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { app } = await migrationRoles(queryRunner);
    for (const sql of [...table, ...appendOnly, ...access(app)]) await queryRunner.query(sql);
  }

  async down(): Promise<void> {
    // Six years of retention (45 CFR §164.316(b)(2)) are not undone by a migration.
    return Promise.reject(new Error('the audit log is not dropped'));
  }
}

const table = [
  `create table audit_event (
    tenant_id uuid not null,
    sequence bigint not null check (sequence > 0),
    event_id uuid not null,
    occurred_at timestamptz(3) not null,
    recorded_at timestamptz(3) not null,
    actor_subject text not null,
    actor_kind text not null,
    actor_roles text[] not null,
    purpose_of_use text not null,
    service text not null,
    action text not null,
    resource_type text not null,
    resource_ids text[] not null,
    outcome text not null check (outcome in ('success', 'denied', 'failure')),
    reason text not null,
    request_id text not null,
    attributes jsonb not null,
    previous_hash bytea not null check (length(previous_hash) = 32),
    hash bytea not null check (length(hash) = 32),
    primary key (tenant_id, sequence),
    unique (tenant_id, event_id)
  )`,
  `create index audit_event_actor on audit_event (tenant_id, actor_subject, sequence)`,
  `create index audit_event_action on audit_event (tenant_id, action, sequence)`,
  `create index audit_event_request on audit_event (tenant_id, request_id)`,
];

const appendOnly = [
  `create function refuse_change() returns trigger language plpgsql set search_path = pg_catalog as $$
    begin
      raise exception 'the audit log is append-only' using errcode = 'restrict_violation';
    end
  $$`,
  `create trigger audit_event_append_only before update or delete or truncate on audit_event
    for each statement execute function refuse_change()`,
];

const access = (app: string): string[] => [
  `alter table audit_event enable row level security`,
  `alter table audit_event force row level security`,
  `create policy audit_event_select on audit_event for select to "${app}" using (tenant_id = ${currentChain})`,
  `create policy audit_event_insert on audit_event for insert to "${app}" with check (tenant_id = ${currentChain})`,
  `revoke all on audit_event from public`,
  `revoke all on function refuse_change() from public`,
  `grant select, insert on audit_event to "${app}"`,
];
