import { migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What each service was leased and has not given back. Of leases from before nothing comes back: too many uses are counted. */
export class LeasesByPeer1795820000000 implements MigrationInterface {
  readonly name = 'LeasesByPeer1795820000000';

  async up(runner: QueryRunner): Promise<void> {
    const { app } = await migrationRoles(runner);
    const statements = [
      `create table key_lease (
         tenant_id uuid not null references tenant (tenant_id),
         purpose text not null,
         version int not null check (version >= 1),
         peer text not null,
         uses_out bigint not null check (uses_out >= 0),
         primary key (tenant_id, purpose, version, peer)
       )`,
      ...tenantTable('key_lease', app, 'select, insert, update, delete'),
    ];
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table key_lease');
  }
}
