/** What a search reads of vectors, in its transaction. */
import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import type { ChunkKey } from '../domain/chunk.ts';
import { unindexedModelSql } from './unindexed-model.ts';

/** A chunk near the question. */
export interface NearHit extends ChunkKey {
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
  /** Undefined means all of the tenant's. */
  readonly documentIds: readonly string[] | undefined;
  readonly limit: number;
}

/** Plans the statements that follow in this transaction for this tenant. */
export async function planForTenant(tx: EntityManager): Promise<void> {
  // A plan for "some tenant" would be wrong for most: plan for this one. Compiling a plan costs more than it runs.
  await tx.query(`select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)`);
}

/** A chunk as it is found, with its cosine distance from the question. */
export interface NearRow {
  readonly document_id: string;
  readonly version: number;
  readonly ordinal: number;
  readonly distance: number;
}

/**
 * The chunks nearest to a vector, best first: an exact scan of the tenant's rows, so that never fewer come than exist.
 * Equal distances are ordered by document and position. One statement: it sees a document's old version or the new one.
 */
export async function findNearest(tx: EntityManager, query: NearestQuery): Promise<NearHit[]> {
  return nearHits(await tx.query<NearRow[]>(exactSql, parametersOf(query)));
}

/**
 * The same for a large tenant: the `coarse` chunks whose bits differ least from the vector's are compared exactly. It
 * never gives fewer than exist; that it gives the very nearest is likely and not certain (see the README for how likely).
 */
export async function findNearestByBits(tx: EntityManager, query: NearestQuery, coarse: number): Promise<NearHit[]> {
  return nearHits(await tx.query<NearRow[]>(bitsSql, [...parametersOf(query), Math.max(coarse, query.limit)]));
}

/** The parameters $1 to $6 that the statements here have in common. */
export function parametersOf({
  tenantId,
  modelId,
  vector,
  documentIds,
  limit,
  vectorKeyVersion,
}: NearestQuery): unknown[] {
  return [tenantId, modelId, toSql(Array.from(vector)), documentIds ?? null, limit, vectorKeyVersion];
}

export function nearHits(rows: readonly NearRow[]): NearHit[] {
  return rows.map(({ document_id, version, ordinal, distance }) => ({
    documentId: document_id,
    version,
    ordinal,
    score: similarity(distance),
  }));
}

function similarity(distance: number): number {
  return Math.max(-1, Math.min(1, 1 - distance));
}

/** What a search of a tenant looks at. */
export interface SearchedVectors {
  /** The model that the tenant's searches use; undefined before its first document. */
  readonly modelId: string | undefined;
  /** Versions of the `vectors` key that vectors of that model are under. */
  readonly keyVersions: readonly number[];
}

/** Read from the index alone: a few steps, however many vectors there are. */
export async function searchedVectors(tx: EntityManager, tenantId: string): Promise<SearchedVectors> {
  const rows = await tx.query<{ model_id: string; version: number | null }[]>(searchedSql, [tenantId]);
  return {
    modelId: rows[0]?.model_id,
    keyVersions: rows.flatMap(({ version }) => (version === null ? [] : [version])),
  };
}

const searchedSql = `
  with recursive found as (
    select t.model_id, (select min(v.vector_key_version) from chunk_vector v
                        where v.tenant_id = $1 and v.model_id = t.model_id) as version
    from tenant_model t where t.tenant_id = $1
    union all
    select found.model_id, (select min(v.vector_key_version) from chunk_vector v
                            where v.tenant_id = $1 and v.model_id = found.model_id and v.vector_key_version > found.version)
    from found where found.version is not null
  )
  select model_id, version from found`;

// The tenant stands beside row-level security, which says the same, so that the planner can use it.
const exactSql = `
  select v.document_id, v.version, v.ordinal, v.embedding <=> $3::halfvec(1024) as distance
  from chunk_vector v
  where v.tenant_id = $1 and v.model_id = $2 and v.vector_key_version = $6
    and ($4::uuid[] is null or v.document_id = any ($4::uuid[]))
  order by distance, v.document_id, v.version, v.ordinal
  limit $5`;

/** The rows of `coarse` in the order of their vectors; those of another space, should there be any, are left out. */
export const rerankSql = `
  select v.document_id, v.version, v.ordinal, v.embedding <=> $3::halfvec(1024) as distance
  from coarse
  join chunk_vector v on v.tenant_id = $1 and v.document_id = coarse.document_id and v.version = coarse.version
    and v.ordinal = coarse.ordinal and ${unindexedModelSql('v', '$2')}
  where v.vector_key_version = $6
  order by distance, v.document_id, v.version, v.ordinal
  limit $5`;

const bitsSql = `
  with coarse as materialized (
    select b.document_id, b.version, b.ordinal
    from chunk_bits b
    where b.tenant_id = $1 and b.model_id = $2 and b.vector_key_version = $6
      and ($4::uuid[] is null or b.document_id = any ($4::uuid[]))
    order by b.bits <~> binary_quantize($3::halfvec(1024))::bit(1024), b.document_id, b.version, b.ordinal
    limit $7
  )
  ${rerankSql}`;

/** A chunk with what is shown of it, still sealed. */
export interface SealedHit extends ChunkKey {
  readonly passageSealed: string;
  readonly titleSealed: string;
  readonly labelsSealed: string | undefined;
  /** Cosine similarity to the question, -1 to 1; 0 when the chunk has no vector that was compared. */
  readonly score: number;
}

/** A question's vector in the space of each key version. */
export type VectorsBySpace = ReadonlyMap<number, Float32Array>;

interface HitRow {
  /** From 1. */
  readonly place: string;
  readonly passage_sealed: string;
  readonly title_sealed: string;
  readonly labels_sealed: string | null;
  readonly distance: number | null;
}

/** Reads chunks that were found, in the order given. Every one of them is there: one snapshot found them and reads them. */
export async function readHits<T extends ChunkKey>(
  tx: EntityManager,
  tenantId: string,
  found: readonly T[],
  modelId: string | undefined,
  vectors: VectorsBySpace,
): Promise<(T & SealedHit)[]> {
  if (found.length === 0) return [];
  const rows = await tx.query<HitRow[]>(hitsSql, [
    tenantId,
    found.map(({ documentId }) => documentId),
    found.map(({ version }) => version),
    found.map(({ ordinal }) => ordinal),
    [...vectors.keys()],
    [...vectors.values()].map((vector) => toSql(Array.from(vector))),
    modelId ?? null,
  ]);
  return rows.flatMap((row) => {
    const key = found[Number(row.place) - 1];
    if (key === undefined) return [];
    return {
      ...key,
      passageSealed: row.passage_sealed,
      titleSealed: row.title_sealed,
      labelsSealed: row.labels_sealed ?? undefined,
      score: row.distance === null ? 0 : similarity(row.distance),
    };
  });
}

const hitsSql = `
  with question as materialized (
    select n.key_version, n.vector::halfvec(1024) as vector from unnest($5::int[], $6::text[]) as n (key_version, vector)
  )
  select w.place, c.passage_sealed, d.title_sealed, d.labels_sealed, v.embedding <=> q.vector as distance
  from unnest($2::uuid[], $3::int[], $4::int[]) with ordinality as w (document_id, version, ordinal, place)
  join chunk c on c.tenant_id = $1 and c.document_id = w.document_id and c.version = w.version and c.ordinal = w.ordinal
  join indexed_document d on d.tenant_id = $1 and d.document_id = w.document_id
  left join chunk_vector v on v.tenant_id = $1 and v.document_id = w.document_id and v.version = w.version
    and v.ordinal = w.ordinal and ${unindexedModelSql('v', '$7')}
  left join question q on q.key_version = v.vector_key_version
  order by w.place`;
