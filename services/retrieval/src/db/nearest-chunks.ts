import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import type { ChunkKey } from '../domain/chunk.ts';

/** A chunk near the question, still sealed. */
export interface SealedHit extends ChunkKey {
  readonly passageSealed: string;
  readonly titleSealed: string;
  /** Cosine similarity, -1 to 1. */
  readonly score: number;
}

/** What is searched for. */
export interface NearestQuery {
  readonly tenantId: string;
  /** In the space of the key version beside it. */
  readonly vector: Float32Array;
  /** Vectors of other spaces are not looked at. */
  readonly vectorKeyVersion: number;
  readonly modelId: string;
  /** Empty means all of the tenant's. */
  readonly documentIds: readonly string[];
  readonly limit: number;
}

interface Row {
  readonly document_id: string;
  readonly version: number;
  readonly ordinal: number;
  readonly passage_sealed: string;
  readonly title_sealed: string;
  readonly distance: number;
}

/**
 * The chunks nearest to a vector, best first: an exact scan of the tenant's rows, so that never fewer come than exist.
 * Equal distances are ordered by document and position. One statement: it sees a document's old version or the new one.
 */
export async function findNearest(tx: EntityManager, query: NearestQuery): Promise<SealedHit[]> {
  // A plan for "some tenant" would be wrong for most: plan for this one. Compiling a plan costs more than it runs.
  await tx.query(`select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)`);
  const rows = await tx.query<Row[]>(nearestSql, [
    query.tenantId,
    query.modelId,
    toSql(Array.from(query.vector)),
    query.documentIds.length === 0 ? null : [...query.documentIds],
    query.limit,
    query.vectorKeyVersion,
  ]);
  return rows.map((row) => ({
    documentId: row.document_id,
    version: row.version,
    ordinal: row.ordinal,
    passageSealed: row.passage_sealed,
    titleSealed: row.title_sealed,
    score: Math.max(-1, Math.min(1, 1 - row.distance)),
  }));
}

/** The spaces that a tenant has vectors in, read from the index alone: a few steps, however many vectors there are. */
export async function vectorKeyVersions(tx: EntityManager, tenantId: string): Promise<number[]> {
  const rows = await tx.query<{ version: number | null }[]>(versionsSql, [tenantId]);
  return rows.flatMap(({ version }) => (version === null ? [] : [version]));
}

/** Best first; equal ones by document and position. */
export function compareHits(a: SealedHit, b: SealedHit): number {
  const byDocument = a.documentId < b.documentId ? -1 : a.documentId > b.documentId ? 1 : 0;
  return b.score - a.score || byDocument || a.version - b.version || a.ordinal - b.ordinal;
}

const versionsSql = `
  with recursive found as (
    select min(vector_key_version) as version from chunk where tenant_id = $1
    union all
    select (select min(c.vector_key_version) from chunk c
            where c.tenant_id = $1 and c.vector_key_version > found.version)
    from found where found.version is not null
  )
  select version from found`;

// The tenant stands beside row-level security, which says the same, so that the planner can use it. Passages lie outside of
// their rows (see the migration): the sort carries pointers, and only the best ones are read.
const nearestSql = `
  with nearest as materialized (
    select c.document_id, c.version, c.ordinal, c.passage_sealed, c.embedding <=> $3::halfvec(1024) as distance
    from chunk c
    where c.tenant_id = $1 and c.model_id = $2 and c.vector_key_version = $6
      and ($4::uuid[] is null or c.document_id = any ($4::uuid[]))
    order by distance, c.document_id, c.version, c.ordinal
    limit $5
  )
  select n.document_id, n.version, n.ordinal, n.distance, n.passage_sealed, d.title_sealed
  from nearest n
  join indexed_document d on d.tenant_id = $1 and d.document_id = n.document_id
  order by n.distance, n.document_id, n.version, n.ordinal`;
