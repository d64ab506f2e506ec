import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Says of each vector with which version of the tenant's `vectors` key it was transformed. Vectors from before were not
 * transformed; that is version 0.
 */
export class AddVectorKeyVersion1795400000000 implements MigrationInterface {
  readonly name = 'AddVectorKeyVersion1795400000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      'alter table chunk add column vector_key_version int not null default 0 check (vector_key_version >= 0)',
    );
    await queryRunner.query('alter table chunk alter column vector_key_version drop default');
    await queryRunner.query('create index chunk_vector_key_version on chunk (tenant_id, vector_key_version)');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('alter table chunk drop column vector_key_version');
  }
}
