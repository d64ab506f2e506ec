/** What the merger reads and writes of the keyword index, in its transaction. */
import { holdLock, tryLock } from '@wardstone/db';
import type { EntityManager } from 'typeorm';
import { partRow, type PartRow, type SegmentRow, type StoredPart } from './keyword-search.ts';

/** A part to be merged, or one whose postings are to be taken out. */
export interface CountedPart extends PartRow {
  readonly chunkCount: number;
  readonly sumLength: number;
}

interface StoredCountedPart extends StoredPart {
  readonly chunk_count: number;
  readonly sum_length: string;
}

/** True for one process at a time and tenant, until the transaction ends. */
export async function becomeMerger(tx: EntityManager, tenantId: string): Promise<boolean> {
  return tryLock(tx, mergerLock(tenantId));
}

/** Waits until no merger is at work on the tenant, and keeps others away until the transaction ends. */
export async function holdMerger(tx: EntityManager, tenantId: string): Promise<void> {
  await holdLock(tx, mergerLock(tenantId));
}

function mergerLock(tenantId: string): string {
  return `retrieval-merge/${tenantId}`;
}

/** Tenants with something to merge, those that have waited longest first. Across tenants: ids only. */
export async function tenantsToMerge(
  tx: EntityManager,
  options: { readonly minParts: number; readonly writtenBefore: Date; readonly maxTenants: number },
): Promise<string[]> {
  const rows = await tx.query<{ tenant_id: string }[]>('select tenant_id from tenants_to_merge($1, $2, $3)', [
    options.minParts,
    options.writtenBefore,
    options.maxTenants,
  ]);
  return rows.map((row) => row.tenant_id);
}

/**
 * Parts that are not merged yet, oldest first, until they have `maxChunks` chunks; at least one. They are held until the
 * transaction ends. Those that a writer is replacing at this moment are passed over.
 */
export async function takeUnmerged(
  tx: EntityManager,
  tenantId: string,
  bounds: { readonly maxParts: number; readonly maxChunks: number },
): Promise<CountedPart[]> {
  const found = await tx.query<{ doc_no: string; chunk_count: number }[]>(
    `select doc_no, chunk_count from keyword_document where tenant_id = $1 and not merged
     order by doc_no limit $2 for update skip locked`,
    [tenantId, bounds.maxParts],
  );
  let chunks = 0;
  const taken = found.filter(({ chunk_count }, at) => {
    chunks += chunk_count;
    return at === 0 || chunks <= bounds.maxChunks;
  });
  const rows = await tx.query<StoredCountedPart[]>(
    `select doc_no, document_id, version, part, terms_key_version, postings, chunk_count, sum_length
     from keyword_document where tenant_id = $1 and doc_no = any ($2::bigint[]) order by doc_no`,
    [tenantId, taken.map(({ doc_no }) => doc_no)],
  );
  return rows.map(countedPart);
}

/** Dead parts, the oldest first. Nobody but the merger removes them. */
export async function takeDead(tx: EntityManager, tenantId: string, maxParts: number): Promise<CountedPart[]> {
  const rows = await tx.query<StoredCountedPart[]>(
    `select doc_no, document_id, version, part, terms_key_version, postings, chunk_count, sum_length
     from keyword_dead where tenant_id = $1 order by doc_no limit $2`,
    [tenantId, maxParts],
  );
  return rows.map(countedPart);
}

function countedPart(row: StoredCountedPart): CountedPart {
  return { ...partRow(row), chunkCount: row.chunk_count, sumLength: Number(row.sum_length) };
}

/** A segment to be changed. */
export interface OldSegment extends SegmentRow {
  /** Whether postings are added to it: it is the term's last. */
  readonly isLast: boolean;
}

/** Of each term the last segment, and of `dropTerms` those in which one of the parts may be. */
export async function readSegmentsToChange(
  tx: EntityManager,
  tenantId: string,
  termsKeyVersion: number,
  wanted: {
    readonly terms: readonly string[];
    readonly dropTerms: readonly string[];
    readonly dropped: readonly number[];
  },
): Promise<OldSegment[]> {
  const rows = await tx.query<{ term: string; segment: number; postings: Buffer; is_last: boolean }[]>(
    `select term, segment, postings, is_last from (
       select s.term, s.segment, s.postings, s.first_doc_no, s.last_doc_no,
              s.segment = max(s.segment) over (partition by s.term) as is_last
       from keyword_segment s
       where s.tenant_id = $1 and s.terms_key_version = $2 and s.term = any ($3::bigint[])) found
     where is_last or (found.term = any ($4::bigint[])
       and exists (select from unnest($5::bigint[]) as d (doc_no) where d.doc_no between first_doc_no and last_doc_no))`,
    [tenantId, termsKeyVersion, wanted.terms, wanted.dropTerms, wanted.dropped],
  );
  return rows.map(({ term, segment, postings, is_last }) => ({
    ...{ termsKeyVersion, term, segment, postings },
    isLast: is_last,
  }));
}

/** A segment as it is to be. */
export interface NewSegment {
  readonly term: string;
  readonly segment: number;
  readonly firstDocNo: number;
  readonly lastDocNo: number;
  readonly postings: Buffer;
}

export async function writeSegments(
  tx: EntityManager,
  tenantId: string,
  termsKeyVersion: number,
  segments: readonly NewSegment[],
): Promise<void> {
  if (segments.length === 0) return;
  await tx.query(
    `insert into keyword_segment (tenant_id, terms_key_version, term, segment, first_doc_no, last_doc_no, postings)
     select $1, $2, n.* from unnest($3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::bytea[]) as n
     on conflict (tenant_id, terms_key_version, term, segment) do update
       set first_doc_no = excluded.first_doc_no, last_doc_no = excluded.last_doc_no, postings = excluded.postings`,
    [
      ...[tenantId, termsKeyVersion],
      segments.map(({ term }) => term),
      segments.map(({ segment }) => segment),
      segments.map(({ firstDocNo }) => firstDocNo),
      segments.map(({ lastDocNo }) => lastDocNo),
      segments.map(({ postings }) => postings),
    ],
  );
}

export async function removeSegments(
  tx: EntityManager,
  tenantId: string,
  termsKeyVersion: number,
  emptied: readonly { readonly term: string; readonly segment: number }[],
): Promise<void> {
  if (emptied.length === 0) return;
  await tx.query(
    `delete from keyword_segment s using unnest($3::bigint[], $4::int[]) as n (term, segment)
     where s.tenant_id = $1 and s.terms_key_version = $2 and s.term = n.term and s.segment = n.segment`,
    [tenantId, termsKeyVersion, emptied.map(({ term }) => term), emptied.map(({ segment }) => segment)],
  );
}

/** Says what the segments hold now. */
export async function settleMerge(
  tx: EntityManager,
  tenantId: string,
  merged: readonly CountedPart[],
  dropped: readonly CountedPart[],
): Promise<void> {
  await tx.query('update keyword_document set merged = true where tenant_id = $1 and doc_no = any ($2::bigint[])', [
    tenantId,
    merged.map(({ docNo }) => docNo),
  ]);
  await tx.query('delete from keyword_dead where tenant_id = $1 and doc_no = any ($2::bigint[])', [
    tenantId,
    dropped.map(({ docNo }) => docNo),
  ]);
  const signed = [...merged.map((part) => ({ ...part, sign: 1 })), ...dropped.map((part) => ({ ...part, sign: -1 }))];
  await tx.query(
    `insert into keyword_total (tenant_id, terms_key_version, chunk_count, sum_length)
     select $1, n.version, sum(n.chunks), sum(n.terms) from unnest($2::int[], $3::bigint[], $4::bigint[]) as n (version, chunks, terms)
     group by n.version
     on conflict (tenant_id, terms_key_version) do update
       set chunk_count = keyword_total.chunk_count + excluded.chunk_count,
           sum_length = keyword_total.sum_length + excluded.sum_length`,
    [
      tenantId,
      signed.map(({ termsKeyVersion }) => termsKeyVersion),
      signed.map(({ chunkCount, sign }) => sign * chunkCount),
      signed.map(({ sumLength, sign }) => sign * sumLength),
    ],
  );
  await tx.query('delete from keyword_total where tenant_id = $1 and chunk_count = 0 and not damaged', [tenantId]);
}

/** Key versions whose segments a search found damaged. */
export async function damagedVersions(tx: EntityManager, tenantId: string): Promise<number[]> {
  const rows = await tx.query<{ terms_key_version: number }[]>(
    'select terms_key_version from keyword_total where tenant_id = $1 and damaged',
    [tenantId],
  );
  return rows.map((row) => row.terms_key_version);
}

/**
 * Throws the segments of a key version away: the documents' own rows are merged anew. Documents come first, so that one
 * that is replaced at this moment is either seen as gone, with its dead row, or not yet as merged.
 */
export async function unmergeAll(tx: EntityManager, tenantId: string, termsKeyVersion: number): Promise<void> {
  const parameters = [tenantId, termsKeyVersion];
  await tx.query(
    'update keyword_document set merged = false where tenant_id = $1 and terms_key_version = $2 and merged',
    parameters,
  );
  for (const table of ['keyword_segment', 'keyword_dead', 'keyword_total']) {
    await tx.query(`delete from ${table} where tenant_id = $1 and terms_key_version = $2`, parameters);
  }
}

/** Takes a document whose part is damaged out of the keyword index; it is written anew from its passages. */
export async function forgetKeywords(tx: EntityManager, tenantId: string, documentId: string): Promise<void> {
  await tx.query('update indexed_document set terms_key_version = null where tenant_id = $1 and document_id = $2', [
    tenantId,
    documentId,
  ]);
}
