import { idsOnlyFunction, migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Conversations with their turns. */
export class CreateConversations1795800002000 implements MigrationInterface {
  readonly name = 'CreateConversations1795800002000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { owner, app } = await migrationRoles(queryRunner);
    const statements = [
      ...tables,
      ...tableNames.flatMap((table) => tenantTable(table, app, 'select, insert, update, delete')),
      ...idsOnlyFunction({
        name: 'tenants_with_old_conversations',
        schema: 'llm',
        args: 'used_before timestamptz, max_rows int',
        returns: 'tenant_id uuid',
        body: `select distinct o.tenant_id from
               (select c.tenant_id from conversation c where c.updated_at < used_before
                order by c.updated_at limit max_rows) o`,
        tables: ['conversation'],
        ownerRole: owner,
        appRole: app,
      }),
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('drop function tenants_with_old_conversations(timestamptz, int)');
    for (const table of [...tableNames].reverse()) await queryRunner.query(`drop table ${table}`);
  }
}

const tableNames = ['conversation', 'turn'];

const tables = [
  `create table conversation (
     tenant_id uuid not null,
     conversation_id uuid not null,
     owner text not null,
     title_sealed text not null,
     turn_count int not null default 0 check (turn_count >= 0),
     key_version int not null check (key_version >= 1),
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     primary key (tenant_id, conversation_id)
   )`,
  // UUIDv7 counts up with time: the order of somebody's list, newest first.
  `create index conversation_of_owner on conversation (tenant_id, owner, conversation_id desc)`,
  // Which of somebody's conversations was used longest ago.
  `create index conversation_use on conversation (tenant_id, owner, updated_at)`,
  `create index conversation_age on conversation (updated_at)`,
  `create index conversation_key_version on conversation (tenant_id, key_version)`,
  `create table turn (
     tenant_id uuid not null,
     turn_id uuid not null,
     conversation_id uuid not null,
     number int not null check (number >= 1),
     question_sealed text not null,
     standalone_question_sealed text not null,
     answer_sealed text not null,
     model_id text not null,
     outcome smallint not null check (outcome between 1 and 99),
     key_version int not null check (key_version >= 1),
     created_at timestamptz not null default now(),
     primary key (tenant_id, turn_id),
     unique (tenant_id, conversation_id, number),
     foreign key (tenant_id, conversation_id) references conversation on delete cascade
   )`,
  // Sealed text does not compress.
  `alter table turn alter column answer_sealed set storage external`,
  `create index turn_key_version on turn (tenant_id, key_version)`,
];
