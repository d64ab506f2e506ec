import { migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tenants and their wrapped data keys. Both belong to one tenant each; the platform may read the first, never the second. */
export class Tenants1763800000000 implements MigrationInterface {
  readonly name = 'Tenants1763800000000';

  async up(runner: QueryRunner): Promise<void> {
    const { app } = await migrationRoles(runner);
    const statements = [
      `create table tenant (
         tenant_id uuid primary key,
         display_name text not null check (length(display_name) between 1 and 200),
         state text not null check (state in ('active')),
         chunk_size_chars int not null check (chunk_size_chars between 100 and 8000),
         chunk_overlap_chars int not null check (chunk_overlap_chars between 0 and chunk_size_chars / 2),
         key_version int not null check (key_version >= 1),
         revision int not null default 1,
         created_at timestamptz(3) not null default now()
       )`,
      `create index tenant_newest on tenant (created_at desc, tenant_id desc)`,
      `create table data_key (
         tenant_id uuid not null references tenant (tenant_id),
         version int not null check (version >= 1),
         kms_key_id text not null,
         wrapped bytea not null,
         created_at timestamptz(3) not null default now(),
         primary key (tenant_id, version)
       )`,
      ...tenantTable('tenant', app, 'select, insert, update'),
      ...tenantTable('data_key', app, 'select, insert'),
      // A transaction without a tenant is the platform's: it may see the list of tenants and change nothing in it.
      `create policy tenant_platform_reads on tenant for select to "${app}"
         using (nullif(current_setting('app.tenant_id', true), '') is null)`,
    ];
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table data_key');
    await runner.query('drop table tenant');
  }
}
