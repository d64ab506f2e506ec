/** What a search reads of the keyword index, in its transaction. */
import type { EntityManager } from 'typeorm';
import type { CollectionStatistics } from '../domain/bm25.ts';
import type { PartPlace, SegmentPlace } from '../domain/postings.ts';

/** How a tenant's keyword index stands, by version of the `terms` key. */
export interface KeywordOverview {
  /** Of live chunks, by key version; versions without any are left out. */
  readonly byVersion: ReadonlyMap<number, CollectionStatistics>;
  /** Whether there are parts that no segment holds yet. */
  readonly hasTail: boolean;
  /** Whether segments hold parts that are gone. */
  readonly hasDead: boolean;
}

/** Counts live chunks: those merged, less the dead, and those not yet merged. A few rows, however large the tenant. */
export async function readOverview(tx: EntityManager, tenantId: string): Promise<KeywordOverview> {
  const rows = await tx.query<{ kind: string; version: number; chunks: string; terms: string }[]>(overviewSql, [
    tenantId,
  ]);
  const sums = new Map<number, { chunkCount: number; sumLength: number }>();
  for (const { kind, version, chunks, terms } of rows) {
    const sum = sums.get(version) ?? { chunkCount: 0, sumLength: 0 };
    const sign = kind === 'dead' ? -1 : 1;
    sums.set(version, {
      chunkCount: sum.chunkCount + sign * Number(chunks),
      sumLength: sum.sumLength + sign * Number(terms),
    });
  }
  return {
    byVersion: new Map([...sums].filter(([, { chunkCount }]) => chunkCount > 0)),
    hasTail: rows.some(({ kind }) => kind === 'tail'),
    hasDead: rows.some(({ kind }) => kind === 'dead'),
  };
}

const overviewSql = `
  select 'merged' as kind, terms_key_version as version, chunk_count as chunks, sum_length as terms
  from keyword_total where tenant_id = $1
  union all
  select 'tail', terms_key_version, sum(chunk_count), sum(sum_length)
  from keyword_document where tenant_id = $1 and not merged group by terms_key_version
  union all
  select 'dead', terms_key_version, sum(chunk_count), sum(sum_length)
  from keyword_dead where tenant_id = $1 group by terms_key_version`;

/** Numbers of the parts whose postings do not count any more. */
export async function readDead(tx: EntityManager, tenantId: string): Promise<Set<number>> {
  const rows = await tx.query<{ doc_no: string }[]>('select doc_no from keyword_dead where tenant_id = $1', [tenantId]);
  return new Set(rows.map((row) => Number(row.doc_no)));
}

/** Bytes of postings of each of the terms, in segments. A term without any is left out. */
export async function readSizes(
  tx: EntityManager,
  tenantId: string,
  termsKeyVersion: number,
  terms: readonly bigint[],
): Promise<Map<string, number>> {
  const rows = await tx.query<{ term: string; bytes: string }[]>(
    `select term, sum(octet_length(postings)) as bytes from keyword_segment
     where tenant_id = $1 and terms_key_version = $2 and term = any ($3::bigint[]) group by term`,
    [tenantId, termsKeyVersion, terms.map(String)],
  );
  return new Map(rows.map(({ term, bytes }) => [term, Number(bytes)]));
}

/** A segment as it is stored. */
export interface SegmentRow extends SegmentPlace {
  readonly postings: Buffer;
}

/** Segments read at a time: about half a megabyte. */
const pageSegments = 64;
/** Below every term. */
const leastTerm = String(-(2n ** 63n));

/**
 * Every segment of the terms, page by page, in no order that means anything. (`= any` keeps the index under row-level security; an
 * array's operators would not.)
 */
export async function* readSegments(
  tx: EntityManager,
  tenantId: string,
  termsKeyVersion: number,
  terms: readonly bigint[],
): AsyncGenerator<SegmentRow> {
  let after: { readonly term: string; readonly segment: number } = { term: leastTerm, segment: -1 };
  for (;;) {
    const rows = await tx.query<{ term: string; segment: number; postings: Buffer }[]>(
      `select term, segment, postings from keyword_segment
       where tenant_id = $1 and terms_key_version = $2 and term = any ($3::bigint[])
         and (term, segment) > ($4::bigint, $5::int)
       order by term, segment limit $6`,
      [tenantId, termsKeyVersion, terms.map(String), after.term, after.segment, pageSegments],
    );
    for (const row of rows) yield { ...row, termsKeyVersion };
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSegments) return;
    after = last;
  }
}

/** A part as it is stored. */
export interface PartRow extends PartPlace {
  readonly docNo: number;
  readonly postings: Buffer;
}

/** Parts read at a time: about a megabyte. */
const tailPageParts = 128;

/** Every part that is not merged yet, page by page. */
export async function* readTail(tx: EntityManager, tenantId: string): AsyncGenerator<PartRow> {
  let after = -1;
  for (;;) {
    const rows = await tx.query<StoredPart[]>(
      `select doc_no, document_id, version, part, terms_key_version, postings from keyword_document
       where tenant_id = $1 and not merged and doc_no > $2 order by doc_no limit $3`,
      [tenantId, after, tailPageParts],
    );
    for (const row of rows) yield partRow(row);
    if (rows.length < tailPageParts) return;
    after = Number(rows.at(-1)?.doc_no);
  }
}

export interface StoredPart {
  readonly doc_no: string;
  readonly document_id: string;
  readonly version: number;
  readonly part: number;
  readonly terms_key_version: number;
  readonly postings: Buffer;
}

export function partRow(row: StoredPart): PartRow {
  return {
    docNo: Number(row.doc_no),
    documentId: row.document_id,
    version: row.version,
    part: row.part,
    termsKeyVersion: row.terms_key_version,
    postings: row.postings,
  };
}

/** Which part of which document has which number. */
export interface PartNumber {
  readonly docNo: number;
  readonly documentId: string;
  readonly version: number;
  readonly part: number;
}

/** The parts with these numbers, and all parts of these documents. */
export async function readPartNumbers(
  tx: EntityManager,
  tenantId: string,
  docNos: readonly number[],
  documentIds: readonly string[],
): Promise<PartNumber[]> {
  const rows = await tx.query<Omit<StoredPart, 'postings' | 'terms_key_version'>[]>(
    `select doc_no, document_id, version, part from keyword_document
     where tenant_id = $1 and doc_no = any ($2::bigint[])
     union
     select doc_no, document_id, version, part from keyword_document
     where tenant_id = $1 and document_id = any ($3::uuid[])`,
    [tenantId, docNos, documentIds],
  );
  return rows.map((row) => ({
    docNo: Number(row.doc_no),
    documentId: row.document_id,
    version: row.version,
    part: row.part,
  }));
}

/** The documents that pass a filter: those with one of the terms, of which there is one for each key version. */
export async function documentsWithTerm(
  tx: EntityManager,
  tenantId: string,
  terms: readonly bigint[],
): Promise<Set<string>> {
  const rows = await tx.query<{ document_id: string }[]>(
    'select document_id from document_filter where tenant_id = $1 and term = any ($2::bigint[])',
    [tenantId, terms.map(String)],
  );
  return new Set(rows.map((row) => row.document_id));
}

/** Says that segments of a key version are damaged, so that they are made anew from the documents' own rows. */
export async function reportDamage(tx: EntityManager, tenantId: string, versions: readonly number[]): Promise<void> {
  await tx.query(
    'update keyword_total set damaged = true where tenant_id = $1 and terms_key_version = any ($2::int[]) and not damaged',
    [tenantId, versions],
  );
}
