import { idsOnlyFunction, migrationRoles, tenantTable } from '@wardstone/db';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Keyword search over blind terms, sealed labels with equality filters, bits of vectors for large tenants, and the key version
 * of everything that is sealed. What is already there was sealed under version 1, the only one so far. Documents
 * without keyword rows are brought in by the service itself (`src/jobs/fill-in-keywords.ts`): only it can open them.
 */
export class AddEncryptedIndex1795600000000 implements MigrationInterface {
  readonly name = 'AddEncryptedIndex1795600000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { owner, app } = await migrationRoles(queryRunner);
    const statements = [
      ...keyVersions,
      ...tables,
      ...tenantTable('keyword_document', app, 'select, insert, update, delete'),
      ...tenantTable('keyword_segment', app, 'select, insert, update, delete'),
      ...tenantTable('keyword_dead', app, 'select, insert, delete'),
      ...tenantTable('keyword_total', app, 'select, insert, update, delete'),
      ...tenantTable('document_filter', app, 'select, insert, delete'),
      ...tenantTable('chunk_bits', app, 'select, insert, update, delete'),
      `grant update on chunk to "${app}"`,
      `grant delete on removed_document to "${app}"`,
      ...bitsOfExistingVectors,
      ...discovery(owner, app),
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const statements = [
      'drop function documents_without_keywords(uuid, uuid, int)',
      'drop function tenants_to_merge(int, timestamptz, int)',
      'drop policy "indexed_document_owner_reads" on indexed_document',
      ...['chunk_bits', 'document_filter', 'keyword_total', 'keyword_dead', 'keyword_segment', 'keyword_document'].map(
        (table) => `drop table ${table}`,
      ),
      'alter table chunk drop column content_key_version',
      `alter table indexed_document drop column content_key_version, drop column terms_key_version,
         drop column labels_sealed`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }
}

const keyVersions = [
  'alter table chunk add column content_key_version int not null default 1 check (content_key_version >= 1)',
  'alter table chunk alter column content_key_version drop default',
  'create index chunk_content_key_version on chunk (tenant_id, content_key_version)',
  `alter table indexed_document
     add column content_key_version int not null default 1 check (content_key_version >= 1),
     add column terms_key_version int check (terms_key_version >= 1),
     add column labels_sealed text`,
  'alter table indexed_document alter column content_key_version drop default',
  `create index indexed_document_without_keywords on indexed_document (tenant_id, document_id)
     where terms_key_version is null`,
];

const tables = [
  // What a document says in blind terms, in parts of at most 512 chunks: the source of truth, written with the document's chunks.
  `create table keyword_document (
     tenant_id uuid not null,
     document_id uuid not null,
     part int not null check (part >= 0),
     doc_no bigint not null generated always as identity,
     version int not null check (version >= 1),
     terms_key_version int not null check (terms_key_version >= 1),
     chunk_count int not null check (chunk_count between 1 and 512),
     sum_length bigint not null check (sum_length >= 0),
     merged boolean not null default false,
     written_at timestamptz not null default now(),
     postings bytea not null,
     primary key (tenant_id, document_id, part),
     unique (tenant_id, doc_no),
     foreign key (tenant_id, document_id) references indexed_document
   )`,
  'create index keyword_document_unmerged on keyword_document (tenant_id, doc_no) where not merged',
  // Where the postings of one term of many documents lie side by side. A row is rewritten in place while it fills.
  `create table keyword_segment (
     tenant_id uuid not null,
     terms_key_version int not null check (terms_key_version >= 1),
     term bigint not null,
     segment int not null check (segment >= 0),
     first_doc_no bigint not null,
     last_doc_no bigint not null,
     postings bytea not null,
     primary key (tenant_id, terms_key_version, term, segment)
   ) with (fillfactor = 80)`,
  // Parts that are gone, but whose postings are still in segments: which ones, their own row says.
  `create table keyword_dead (
     tenant_id uuid not null,
     doc_no bigint not null,
     document_id uuid not null,
     part int not null,
     version int not null,
     terms_key_version int not null,
     chunk_count int not null,
     sum_length bigint not null,
     died_at timestamptz not null default now(),
     postings bytea not null,
     primary key (tenant_id, doc_no)
   )`,
  // What has been merged, dead parts included. The merger alone writes it: writers that count get in each other's way.
  `create table keyword_total (
     tenant_id uuid not null,
     terms_key_version int not null,
     chunk_count bigint not null,
     sum_length bigint not null,
     damaged boolean not null default false,
     primary key (tenant_id, terms_key_version)
   )`,
  `create table document_filter (
     tenant_id uuid not null,
     document_id uuid not null,
     terms_key_version int not null check (terms_key_version >= 1),
     term bigint not null,
     primary key (tenant_id, term, document_id),
     foreign key (tenant_id, document_id) references indexed_document on delete cascade
   )`,
  'create index document_filter_document on document_filter (tenant_id, document_id)',
  // One bit for each component of a vector, as it is stored: a tenth of the bytes to scan. Kept beside the vectors always, so
  // that nothing has to be built on the day on which a tenant has become large.
  `create table chunk_bits (
     tenant_id uuid not null,
     document_id uuid not null,
     version int not null,
     ordinal int not null,
     model_id text not null,
     vector_key_version int not null,
     bits bit(1024) not null,
     primary key (tenant_id, document_id, version, ordinal),
     foreign key (tenant_id, document_id) references indexed_document on delete cascade
   )`,
  // These bytes do not compress: half of them are hashes.
  'alter table keyword_document alter column postings set storage external',
  'alter table keyword_segment alter column postings set storage external',
  'alter table keyword_dead alter column postings set storage external',
];

/** Row-level security is forced on the owner as well; for one statement of this transaction it is not. */
const bitsOfExistingVectors = [
  ...['chunk', 'chunk_bits'].map((table) => `alter table ${table} no force row level security`),
  `insert into chunk_bits (tenant_id, document_id, version, ordinal, model_id, vector_key_version, bits)
     select tenant_id, document_id, version, ordinal, model_id, vector_key_version, binary_quantize(embedding)::bit(1024)
     from chunk`,
  ...['chunk', 'chunk_bits'].map((table) => `alter table ${table} force row level security`),
];

/** What the background work may see across tenants: ids. */
function discovery(owner: string, app: string): string[] {
  const common = { schema: 'retrieval', ownerRole: owner, appRole: app } as const;
  return [
    ...idsOnlyFunction({
      ...common,
      name: 'tenants_to_merge',
      args: 'min_parts int, written_before timestamptz, max_rows int',
      returns: 'tenant_id uuid',
      body: `select w.tenant_id from (
               select k.tenant_id, min(k.written_at) as since from keyword_document k where not k.merged
                 group by k.tenant_id having count(*) >= min_parts or min(k.written_at) < written_before
               union all
               select d.tenant_id, min(d.died_at) from keyword_dead d
                 group by d.tenant_id having count(*) >= min_parts or min(d.died_at) < written_before
               union all
               select t.tenant_id, '-infinity' from keyword_total t where t.damaged) w
             group by w.tenant_id order by min(w.since) limit max_rows`,
      tables: ['keyword_document', 'keyword_dead', 'keyword_total'],
    }),
    ...idsOnlyFunction({
      ...common,
      name: 'documents_without_keywords',
      args: 'after_tenant uuid, after_document uuid, max_rows int',
      returns: 'tenant_id uuid, document_id uuid',
      body: `select d.tenant_id, d.document_id from indexed_document d
             where d.terms_key_version is null and (d.tenant_id, d.document_id) > (after_tenant, after_document)
             order by d.tenant_id, d.document_id limit max_rows`,
      tables: ['indexed_document'],
    }),
  ];
}
