import { idsOnlyFunction, migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Documents, idempotency keys, the notification of changes, and what the reconciler may see across tenants. */
export class CreateDocument1795300000000 implements MigrationInterface {
  readonly name = 'CreateDocument1795300000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { owner, app } = await migrationRoles(queryRunner);
    const statements = [
      ...tables,
      ...tenantTable('document', app, 'select, insert, update, delete'),
      ...tenantTable('idempotency_key', app, 'select, insert, update, delete'),
      ...notification,
      ...idsOnlyFunction({
        name: 'unsettled_documents',
        schema: 'ingestion',
        args: 'checked_before timestamptz, max_rows int',
        returns: 'tenant_id uuid, document_id uuid',
        body: `select d.tenant_id, d.document_id from document d
               where d.state not in ('READY', 'FAILED') and d.checked_at < checked_before
               order by d.checked_at limit max_rows`,
        tables: ['document'],
        ownerRole: owner,
        appRole: app,
      }),
      ...idsOnlyFunction({
        name: 'tenants_with_expired_keys',
        schema: 'ingestion',
        args: 'max_rows int',
        returns: 'tenant_id uuid',
        body: `select distinct e.tenant_id from
               (select k.tenant_id from idempotency_key k where k.expires_at < now() limit max_rows) e`,
        tables: ['idempotency_key'],
        ownerRole: owner,
        appRole: app,
      }),
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('drop function tenants_with_expired_keys(int)');
    await queryRunner.query('drop function unsettled_documents(timestamptz, int)');
    await queryRunner.query('drop table idempotency_key');
    await queryRunner.query('drop table document');
    await queryRunner.query('drop function notify_document()');
  }
}

const tables = [
  `create table document (
     tenant_id uuid not null,
     document_id uuid primary key,
     version int not null default 1 check (version >= 1),
     state text not null check (state in
       ('UPLOADING', 'RECEIVED', 'EXTRACTING', 'EMBEDDING', 'INDEXING', 'READY', 'FAILED', 'DELETING')),
     percent smallint not null default 0 check (percent between 0 and 100),
     failure_reason text,
     title_sealed text not null,
     file_name_sealed text not null,
     media_type text not null,
     size_bytes bigint not null default 0 check (size_bytes >= 0),
     digest_sealed text,
     page_count int not null default 0 check (page_count >= 0),
     chunk_count int not null default 0 check (chunk_count >= 0),
     created_by text not null,
     request_id text not null,
     revision bigint not null default 1,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     checked_at timestamptz not null default now(),
     check (state = 'DELETING' or (state = 'FAILED') = (failure_reason is not null))
   )`,
  // UUIDv7 counts up with time: the primary order of a tenant's list, newest first.
  `create index document_of_tenant on document (tenant_id, document_id desc)`,
  `create index document_unsettled on document (checked_at) where state not in ('READY', 'FAILED')`,
  `create table idempotency_key (
     tenant_id uuid not null,
     key_hash bytea not null,
     document_id uuid not null references document on delete cascade,
     fingerprint_sealed text not null,
     expires_at timestamptz not null,
     primary key (tenant_id, key_hash)
   )`,
  `create index idempotency_key_expiry on idempotency_key (expires_at)`,
  `create index idempotency_key_document on idempotency_key (document_id)`,
];

/** Watchers learn of every change from the database itself, whoever made it; the payload is the document's id alone. */
const notification = [
  `create function notify_document() returns trigger language plpgsql as $$
   begin
     perform pg_notify('wardstone_document', old.document_id::text);
     return null;
   end $$`,
  `create trigger document_changed after update of revision or delete on document
     for each row execute function notify_document()`,
];
