import { migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexed documents, their chunks with vectors, and the documents that must stay out. */
export class CreateChunk1795310000000 implements MigrationInterface {
  readonly name = 'CreateChunk1795310000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { app } = await migrationRoles(queryRunner);
    const statements = [
      ...tables,
      ...tenantTable('indexed_document', app, 'select, insert, update, delete'),
      ...tenantTable('chunk', app, 'select, insert, delete'),
      ...tenantTable('removed_document', app, 'select, insert'),
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('drop table removed_document');
    await queryRunner.query('drop table chunk');
    await queryRunner.query('drop table indexed_document');
  }
}

const tables = [
  `create table indexed_document (
     tenant_id uuid not null,
     document_id uuid not null,
     version int not null check (version >= 1),
     title_sealed text not null,
     chunk_count int not null check (chunk_count >= 0),
     model_id text not null,
     indexed_at timestamptz not null default now(),
     primary key (tenant_id, document_id)
   )`,
  // The key begins with the tenant and the document: it serves a tenant's scan, a document's replacement and its removal.
  `create table chunk (
     tenant_id uuid not null,
     document_id uuid not null,
     version int not null check (version >= 1),
     ordinal int not null check (ordinal >= 0),
     passage_sealed text not null,
     model_id text not null,
     embedding halfvec(1024) not null,
     primary key (tenant_id, document_id, version, ordinal),
     foreign key (tenant_id, document_id) references indexed_document on delete cascade
   )`,
  // A vector that is moved out of the row costs the exact scan three times as much. Passages, on the other hand, are read
  // for the few best rows only, and sealed text does not compress.
  `alter table chunk alter column embedding set storage plain`,
  `alter table chunk alter column passage_sealed set storage external`,
  `create table removed_document (
     tenant_id uuid not null,
     document_id uuid not null,
     removed_at timestamptz not null default now(),
     primary key (tenant_id, document_id)
   )`,
];
