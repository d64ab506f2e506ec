/** Rows under key versions that there is no key of: what can be said of them without one. */
import type { EntityManager } from 'typeorm';
import type { ChunkKey } from '../domain/chunk.ts';

/** Chunks, and documents, that one search tells of at most: that there are any is what matters. */
const maxLostRows = 1_000;
const maxLostDocuments = 20;

export interface LostRows {
  readonly vectorKeyVersions: readonly number[];
  readonly termsKeyVersions: readonly number[];
  /** Whose vectors are under one of the versions; the first 1,000. */
  readonly chunks: readonly ChunkKey[];
  /** Whose keyword rows are; the first 20. */
  readonly documentIds: readonly string[];
}

export interface LostQuery extends Pick<LostRows, 'vectorKeyVersions' | 'termsKeyVersions'> {
  /** Undefined means all of the tenant's. */
  readonly documentIds: readonly string[] | undefined;
  /** Whose vectors are looked at; undefined means every model's. */
  readonly modelId: string | undefined;
}

/** Costs nothing while no version is lost. */
export async function readLost(tx: EntityManager, tenantId: string, query: LostQuery): Promise<LostRows> {
  const { vectorKeyVersions, termsKeyVersions } = query;
  const asked = query.documentIds ?? null;
  const chunks =
    vectorKeyVersions.length === 0
      ? []
      : await tx.query<{ document_id: string; version: number; ordinal: number }[]>(
          `select distinct document_id, version, ordinal from chunk_vector
           where tenant_id = $1 and vector_key_version = any ($2::int[])
             and ($3::uuid[] is null or document_id = any ($3::uuid[])) and ($5::text is null or model_id = $5)
           order by document_id, version, ordinal limit $4`,
          [tenantId, vectorKeyVersions, asked, maxLostRows, query.modelId ?? null],
        );
  const documents =
    termsKeyVersions.length === 0
      ? []
      : await tx.query<{ document_id: string }[]>(
          `select distinct document_id from keyword_document
           where tenant_id = $1 and terms_key_version = any ($2::int[])
             and ($3::uuid[] is null or document_id = any ($3::uuid[]))
           order by document_id limit $4`,
          [tenantId, termsKeyVersions, asked, maxLostDocuments],
        );
  return {
    vectorKeyVersions,
    termsKeyVersions,
    chunks: chunks.map(({ document_id: documentId, ...place }) => ({ documentId, ...place })),
    documentIds: documents.map((row) => row.document_id),
  };
}
