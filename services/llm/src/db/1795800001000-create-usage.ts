import { migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What answers used, and what answers under way may still use. */
export class CreateUsage1795800001000 implements MigrationInterface {
  readonly name = 'CreateUsage1795800001000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { app } = await migrationRoles(queryRunner);
    const statements = [
      ...tables,
      ...tableNames.flatMap((table) => tenantTable(table, app, 'select, insert, update, delete')),
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of [...tableNames].reverse()) await queryRunner.query(`drop table ${table}`);
  }
}

const tableNames = ['model_usage', 'budget_reservation'];

const tables = [
  `create table model_usage (
     tenant_id uuid not null,
     month text not null check (month ~ '^[0-9]{4}-[0-9]{2}$'),
     model_id text not null,
     answers bigint not null check (answers >= 0),
     input_tokens bigint not null check (input_tokens >= 0),
     output_tokens bigint not null check (output_tokens >= 0),
     cache_read_tokens bigint not null check (cache_read_tokens >= 0),
     cache_write_tokens bigint not null check (cache_write_tokens >= 0),
     cost_micro_usd bigint not null check (cost_micro_usd >= 0),
     primary key (tenant_id, month, model_id)
   )`,
  // Kept until it is settled: what has begun to cost is never forgotten, whatever became of who asked.
  `create table budget_reservation (
     tenant_id uuid not null,
     reservation_id uuid not null,
     month text not null,
     model_id text not null,
     micro_usd bigint not null check (micro_usd > 0),
     is_begun boolean not null,
     expires_at timestamptz not null,
     primary key (tenant_id, reservation_id)
   )`,
];
