import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Under which version of the tenant's keys a row is sealed, so that a rotation finds what is left. What was written before
 * there was a second version is under the first.
 */
export class TrackKeyVersions1795710000000 implements MigrationInterface {
  readonly name = 'TrackKeyVersions1795710000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('drop index document_unsettled_of_tenant');
    for (const table of ['document', 'idempotency_key']) {
      await queryRunner.query(`drop index ${table}_key_version`);
      await queryRunner.query(`alter table ${table} drop column key_version`);
    }
  }
}

const statements = [
  ...['document', 'idempotency_key'].flatMap((table) => [
    `alter table ${table} add column key_version int not null default 1 check (key_version >= 1)`,
    `create index ${table}_key_version on ${table} (tenant_id, key_version)`,
  ]),
  `create index document_unsettled_of_tenant on document (tenant_id) where state not in ('READY', 'FAILED')`,
];
