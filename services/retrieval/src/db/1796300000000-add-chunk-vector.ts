import { idsOnlyFunction, migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Vectors get a table of their own, so that a chunk can have one of each of two models while the model is changed, and each
 * tenant says which model its searches use. What is there is moved; a tenant with vectors of several models searches by those
 * that it has most of, and the service makes the rest (`src/jobs/reembed.ts`).
 */
export class AddChunkVector1796300000000 implements MigrationInterface {
  readonly name = 'AddChunkVector1796300000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { owner, app } = await migrationRoles(queryRunner);
    const statements = [
      ...tables,
      ...tenantTable('chunk_vector', app, 'select, insert, update, delete'),
      ...tenantTable('tenant_model', app, 'select, insert, update, delete'),
      ...asOwner(['chunk', 'chunk_vector', 'tenant_model'], move),
      'alter table chunk drop column embedding, drop column model_id, drop column vector_key_version',
      'alter table indexed_document drop column model_id',
      'create index chunk_vector_space on chunk_vector (tenant_id, model_id, vector_key_version)',
      'alter table chunk_bits drop constraint chunk_bits_pkey',
      'alter table chunk_bits add primary key (tenant_id, document_id, version, ordinal, model_id)',
      ...discovery(owner, app),
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  /** Keeps the vectors of the models that searches use. Fails when a chunk has none of its tenant's: finish the change first. */
  async down(queryRunner: QueryRunner): Promise<void> {
    const statements = [
      'drop function tenants_to_embed(uuid, int)',
      'drop function tenants_of_other_model(text, uuid, int)',
      `alter table chunk add column embedding halfvec(1024), add column model_id text,
         add column vector_key_version int check (vector_key_version >= 0)`,
      'alter table chunk alter column embedding set storage plain',
      'alter table indexed_document add column model_id text',
      ...asOwner(['chunk', 'chunk_bits', 'chunk_vector', 'tenant_model', 'indexed_document'], moveBack),
      `alter table chunk alter column embedding set not null, alter column model_id set not null,
         alter column vector_key_version set not null`,
      'alter table indexed_document alter column model_id set not null',
      'create index chunk_vector_key_version on chunk (tenant_id, vector_key_version)',
      'alter table chunk_bits drop constraint chunk_bits_pkey',
      'alter table chunk_bits add primary key (tenant_id, document_id, version, ordinal)',
      'drop table chunk_vector',
      'drop table tenant_model',
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }
}

const tables = [
  // The key begins as that of `chunk`. A vector that is null says that nothing can be made of the passage: it holds no change up.
  `create table chunk_vector (
     tenant_id uuid not null,
     document_id uuid not null,
     version int not null check (version >= 1),
     ordinal int not null check (ordinal >= 0),
     model_id text not null,
     vector_key_version int check (vector_key_version >= 0),
     embedding halfvec(1024),
     primary key (tenant_id, document_id, version, ordinal, model_id),
     foreign key (tenant_id, document_id) references indexed_document on delete cascade,
     check ((embedding is null) = (vector_key_version is null))
   )`,
  // A vector that is moved out of the row costs the exact scan three times as much.
  'alter table chunk_vector alter column embedding set storage plain',
  // What searches of the tenant use, and what they will use once every chunk has a vector of it. `settled` is false while there may
  // be something to do: chunks without a vector, or vectors of other models.
  `create table tenant_model (
     tenant_id uuid primary key,
     model_id text not null,
     next_model_id text check (next_model_id <> model_id),
     settled boolean not null default true,
     changed_at timestamptz not null default now()
   )`,
  'create index tenant_model_unsettled on tenant_model (tenant_id) where not settled',
];

const move = [
  `insert into chunk_vector (tenant_id, document_id, version, ordinal, model_id, vector_key_version, embedding)
     select tenant_id, document_id, version, ordinal, model_id, vector_key_version, embedding from chunk`,
  `insert into tenant_model (tenant_id, model_id, settled)
     select distinct on (tenant_id) tenant_id, model_id, models = 1 from (
       select tenant_id, model_id, count(*) as chunks, count(*) over (partition by tenant_id) as models
       from chunk_vector group by tenant_id, model_id) m
     order by tenant_id, chunks desc, model_id`,
];

const moveBack = [
  `update chunk c set embedding = v.embedding, model_id = v.model_id, vector_key_version = v.vector_key_version
     from chunk_vector v join tenant_model t using (tenant_id, model_id)
     where v.tenant_id = c.tenant_id and v.document_id = c.document_id and v.version = c.version and v.ordinal = c.ordinal`,
  `delete from chunk_bits b using tenant_model t where t.tenant_id = b.tenant_id and t.model_id <> b.model_id`,
  `update indexed_document d set model_id = coalesce(
     (select t.model_id from tenant_model t where t.tenant_id = d.tenant_id), 'none')`,
];

/** Row-level security is forced on the owner as well; for these statements of this transaction it is not. */
function asOwner(of: readonly string[], statements: readonly string[]): string[] {
  return [
    ...of.map((table) => `alter table ${table} no force row level security`),
    ...statements,
    ...of.map((table) => `alter table ${table} force row level security`),
  ];
}

/** What the background work may see across tenants: ids. */
function discovery(owner: string, app: string): string[] {
  const common = { schema: 'retrieval', ownerRole: owner, appRole: app, returns: 'tenant_id uuid' } as const;
  return [
    ...idsOnlyFunction({
      ...common,
      name: 'tenants_of_other_model',
      args: 'current_model text, after_tenant uuid, max_rows int',
      body: `select t.tenant_id from tenant_model t
             where coalesce(t.next_model_id, t.model_id) <> current_model and t.tenant_id > after_tenant
             order by t.tenant_id limit max_rows`,
      tables: ['tenant_model'],
    }),
    ...idsOnlyFunction({
      ...common,
      name: 'tenants_to_embed',
      args: 'after_tenant uuid, max_rows int',
      body: `select t.tenant_id from tenant_model t where not t.settled and t.tenant_id > after_tenant
             order by t.tenant_id limit max_rows`,
      // The owner may read it since tenants_of_other_model.
      tables: [],
    }),
  ];
}
