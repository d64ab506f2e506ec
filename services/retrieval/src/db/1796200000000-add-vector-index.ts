import { idsOnlyFunction, migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * An index of vectors for each large tenant: lists of alike vectors, and of each vector's bits the list that they are in. Nothing is
 * in a list yet; the service makes them (`src/jobs/keep-vector-index.ts`).
 */
export class AddVectorIndex1796200000000 implements MigrationInterface {
  readonly name = 'AddVectorIndex1796200000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { owner, app } = await migrationRoles(queryRunner);
    const statements = [
      ...tables,
      ...tenantTable('vector_index', app, 'select, insert, update, delete'),
      ...tenantTable('vector_list', app, 'select, insert, update, delete'),
      ...lists,
      ...discovery(owner, app),
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const statements = [
      'drop function tenants_with_vector_index(bigint, uuid, int)',
      'alter table chunk_bits drop column list_no',
      'drop table vector_list',
      'drop table vector_index',
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }
}

const tables = [
  // One training over the vectors of one model and one space. A newer one takes the place of an older one row by row.
  `create table vector_index (
     tenant_id uuid not null,
     index_no bigint not null generated always as identity,
     model_id text not null,
     vector_key_version int not null check (vector_key_version >= 0),
     chunk_count bigint not null,
     state text not null check (state in ('training', 'measuring', 'filling', 'useless')),
     trained_vectors bigint not null default 0,
     first_list bigint,
     last_list bigint,
     margin double precision check (margin >= 0),
     primary key (tenant_id, index_no),
     check (state in ('training', 'useless') or (first_list is not null and last_list is not null)),
     check (state <> 'filling' or margin is not null)
   )`,
  // Numbers are never used again: a row that names a list that is gone is in no list, and cannot get into another by mistake.
  `create table vector_list (
     tenant_id uuid not null,
     index_no bigint not null,
     list_no bigint not null generated always as identity,
     centroid halfvec(1024) not null,
     sampled int not null default 0,
     primary key (tenant_id, index_no, list_no),
     foreign key (tenant_id, index_no) references vector_index
   )`,
  // Not moved out of the row, as with `chunk.embedding`: every search compares all of an index.
  'alter table vector_list alter column centroid set storage plain',
];

/** 0 is no list. The bits of a list lie side by side in the index, so that a search reads them without their rows. */
const lists = [
  'alter table chunk_bits add column list_no bigint not null default 0',
  `create index chunk_bits_list on chunk_bits (tenant_id, vector_key_version, list_no)
     include (document_id, version, ordinal, bits) where list_no > 0`,
  'create index chunk_bits_unlisted on chunk_bits (tenant_id, vector_key_version) where list_no = 0',
];

function discovery(owner: string, app: string): string[] {
  return idsOnlyFunction({
    ...{ schema: 'retrieval', ownerRole: owner, appRole: app },
    name: 'tenants_with_vector_index',
    args: 'min_chunks bigint, after_tenant uuid, max_rows int',
    returns: 'tenant_id uuid',
    // The owner may read keyword_total since tenants_to_merge.
    body: `select t.tenant_id from (
             select k.tenant_id from keyword_total k group by k.tenant_id having sum(k.chunk_count) >= min_chunks
             union
             select i.tenant_id from vector_index i) t
           where t.tenant_id > after_tenant order by t.tenant_id limit max_rows`,
    tables: ['vector_index'],
  });
}
