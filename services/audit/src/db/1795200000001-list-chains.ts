import { idsOnlyFunction, migrationRoles } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which chains there are: for verifying all of them, without being able to read across them. */
export class ListChains1795200000001 implements MigrationInterface {
  name = 'ListChains1795200000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { app, owner } = await migrationRoles(queryRunner);
    const statements = idsOnlyFunction({
      name: 'list_chains',
      schema: 'audit',
      args: '',
      returns: 'tenant_id uuid',
      // One step into the primary key for each chain, however long the chains are.
      body: `with recursive chain(id) as (
          (select e.tenant_id from audit_event e order by e.tenant_id limit 1)
          union all
          select (select e.tenant_id from audit_event e where e.tenant_id > chain.id order by e.tenant_id limit 1)
            from chain where chain.id is not null
        ) select chain.id from chain where chain.id is not null`,
      tables: ['audit_event'],
      ownerRole: owner,
      appRole: app,
    });
    for (const sql of statements) await queryRunner.query(sql);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('drop function list_chains()');
    await queryRunner.query('drop policy audit_event_owner_reads on audit_event');
  }
}
