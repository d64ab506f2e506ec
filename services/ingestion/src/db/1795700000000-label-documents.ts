import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What an uploader says of a document beside its name, sealed. */
export class LabelDocuments1795700000000 implements MigrationInterface {
  readonly name = 'LabelDocuments1795700000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('alter table document add column labels_sealed text');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('alter table document drop column labels_sealed');
  }
}
