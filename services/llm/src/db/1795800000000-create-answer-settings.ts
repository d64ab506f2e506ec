import { migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How tenants are answered. */
export class CreateAnswerSettings1795800000000 implements MigrationInterface {
  readonly name = 'CreateAnswerSettings1795800000000';

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

const tableNames = ['answer_settings'];

const tables = [
  `create table answer_settings (
     tenant_id uuid primary key,
     model text not null,
     citation_policy text not null check (citation_policy in ('mark', 'drop', 'refuse')),
     completions_enabled boolean not null,
     monthly_budget_micro_usd bigint check (monthly_budget_micro_usd > 0),
     rerank boolean not null,
     guardrail_id text,
     guardrail_version text,
     revision bigint not null default 1 check (revision >= 1),
     updated_at timestamptz not null default now(),
     check ((guardrail_id is null) = (guardrail_version is null))
   )`,
];
