/** What writers do to the keyword rows of a document, in the transaction that replaces its chunks. */
import type { EntityManager } from 'typeorm';
import type { DocumentKey } from '../domain/chunk.ts';
import type { BuiltPart } from '../domain/part-builder.ts';
import type { PartPlace } from '../domain/postings.ts';

/** Adds a part: what it holds is found from the commit on, merged or not. */
export async function insertPart(
  tx: EntityManager,
  tenantId: string,
  { documentId, version, part, termsKeyVersion }: PartPlace,
  { chunkCount, sumLength, postings }: BuiltPart,
): Promise<void> {
  await tx.query(
    `insert into keyword_document
       (tenant_id, document_id, part, version, terms_key_version, chunk_count, sum_length, postings)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [tenantId, documentId, part, version, termsKeyVersion, chunkCount, sumLength, postings],
  );
}

/**
 * Removes the parts of a document. Those whose postings have been merged are listed as dead, so that searches pass them over
 * and the merger takes them out. A merge that runs at this moment holds the rows: this waits, and then sees them as merged.
 */
export async function buryKeywords(tx: EntityManager, { tenantId, documentId }: DocumentKey): Promise<void> {
  await tx.query(
    `with gone as (delete from keyword_document where tenant_id = $1 and document_id = $2 returning *)
     insert into keyword_dead
       (tenant_id, doc_no, document_id, part, version, terms_key_version, chunk_count, sum_length, postings)
     select tenant_id, doc_no, document_id, part, version, terms_key_version, chunk_count, sum_length, postings
     from gone where merged`,
    [tenantId, documentId],
  );
}

/** Replaces the blind terms by which a document passes equality filters. */
export async function replaceFilters(
  tx: EntityManager,
  { tenantId, documentId }: DocumentKey,
  termsKeyVersion: number,
  terms: readonly bigint[],
): Promise<void> {
  await tx.query('delete from document_filter where tenant_id = $1 and document_id = $2', [tenantId, documentId]);
  await tx.query(
    `insert into document_filter (tenant_id, document_id, terms_key_version, term)
     select $1, $2, $3, n.term from unnest($4::bigint[]) as n (term)`,
    [tenantId, documentId, termsKeyVersion, [...new Set(terms)].map(String)],
  );
}
