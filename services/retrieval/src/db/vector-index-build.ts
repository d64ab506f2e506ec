/** What the keeper of the tenants' own indexes of vectors reads and writes, in its transaction. */
import { holdLock, tryLock } from '@wardstone/db';
import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import type { ChunkKey } from '../domain/chunk.ts';
import type { Measured } from '../domain/vector-index.ts';
import { unindexedModelSql } from './unindexed-model.ts';

/** Vectors that can be compared with each other: of one model, in one space of a tenant. */
export interface VectorSpace {
  readonly tenantId: string;
  readonly modelId: string;
  readonly vectorKeyVersion: number;
}

export interface CountedSpace extends VectorSpace {
  readonly chunkCount: number;
}

export type IndexState = 'training' | 'measuring' | 'filling' | 'useless';

/** A training, as it stands. */
export interface VectorIndex {
  readonly indexNo: string;
  /** Chunks of its space when it was begun. */
  readonly chunkCount: number;
  readonly state: IndexState;
  /** Vectors that the training has looked at. */
  readonly trainedVectors: number;
  /** The first of its lists; undefined until the training is over. */
  readonly firstList: string | undefined;
}

/** Tenants with so many chunks, or with an index, in the order of their ids, after one. Across tenants: ids only. */
export async function tenantsToIndex(
  tx: EntityManager,
  { minChunks, after, maxTenants }: { readonly minChunks: number; readonly after: string; readonly maxTenants: number },
): Promise<string[]> {
  const rows = await tx.query<{ tenant_id: string }[]>('select tenant_id from tenants_with_vector_index($1, $2, $3)', [
    ...[minChunks, after, maxTenants],
  ]);
  return rows.map((row) => row.tenant_id);
}

/** True for one process at a time and tenant, until the transaction ends. */
export async function becomeIndexer(tx: EntityManager, tenantId: string): Promise<boolean> {
  return tryLock(tx, indexerLock(tenantId));
}

/** Waits until nobody is at work on the tenant's index, and keeps others away until the transaction ends. */
export async function holdIndexer(tx: EntityManager, tenantId: string): Promise<void> {
  await holdLock(tx, indexerLock(tenantId));
}

function indexerLock(tenantId: string): string {
  return `retrieval-vector-index/${tenantId}`;
}

/** The spaces that the tenant has vectors in. */
export async function countSpaces(tx: EntityManager, tenantId: string): Promise<CountedSpace[]> {
  const rows = await tx.query<{ model_id: string; vector_key_version: number; chunks: string }[]>(
    `select model_id, vector_key_version, count(*) as chunks from chunk_bits
     where tenant_id = $1 group by model_id, vector_key_version order by model_id, vector_key_version`,
    [tenantId],
  );
  return rows.map(({ model_id, vector_key_version, chunks }) => ({
    ...{ tenantId, modelId: model_id, vectorKeyVersion: vector_key_version },
    chunkCount: Number(chunks),
  }));
}

/** The newest training in a space. */
export async function newestIndex(tx: EntityManager, space: VectorSpace): Promise<VectorIndex | undefined> {
  const [row] = await tx.query<
    { index_no: string; chunk_count: string; state: IndexState; trained_vectors: string; first_list: string | null }[]
  >(
    `select index_no, chunk_count, state, trained_vectors, first_list from vector_index
     where tenant_id = $1 and model_id = $2 and vector_key_version = $3 order by index_no desc limit 1`,
    [space.tenantId, space.modelId, space.vectorKeyVersion],
  );
  if (row === undefined) return undefined;
  return {
    indexNo: row.index_no,
    chunkCount: Number(row.chunk_count),
    state: row.state,
    trainedVectors: Number(row.trained_vectors),
    firstList: row.first_list ?? undefined,
  };
}

// The hash orders chunks at random, another way for each seed, and the same way each time.
const sampleSql = `
  select v.embedding
  from (select b.document_id, b.version, b.ordinal from chunk_bits b
        where b.tenant_id = $1 and b.model_id = $2 and b.vector_key_version = $3
        order by uuid_hash_extended(b.document_id, b.ordinal + $4::bigint) limit $5) s
  join chunk_vector v on v.tenant_id = $1 and v.document_id = s.document_id and v.version = s.version
    and v.ordinal = s.ordinal and ${unindexedModelSql('v', '$2')}`;

/** Which chunks are drawn, and how many. */
export interface Sample {
  readonly seed: number;
  readonly count: number;
}

function sampleParameters({ tenantId, modelId, vectorKeyVersion }: VectorSpace, { seed, count }: Sample): unknown[] {
  // Ordinals are small numbers: seeds that lie far apart give orders that have nothing in common.
  return [tenantId, modelId, vectorKeyVersion, seed * 1_000_003, count];
}

/** Begins a training: the first centroids are vectors drawn at random. */
export async function beginIndex(tx: EntityManager, space: CountedSpace, lists: Sample): Promise<void> {
  const [row] = await tx.query<{ index_no: string }[]>(
    `insert into vector_index (tenant_id, model_id, vector_key_version, chunk_count, state)
     values ($1, $2, $3, $4, 'training') returning index_no`,
    [space.tenantId, space.modelId, space.vectorKeyVersion, space.chunkCount],
  );
  await tx.query(
    `insert into vector_list (tenant_id, index_no, centroid)
     select $1, $6, l2_normalize(drawn.embedding) from (${sampleSql}) drawn`,
    [...sampleParameters(space, lists), row?.index_no],
  );
}

/** The lists of an index, to be read once for many vectors. */
const listsOfIndex = (parameter: string): string =>
  `select l.list_no, l.centroid from vector_list l where l.tenant_id = $1 and l.index_no = ${parameter}`;

/** The list of `list` that a vector belongs to. */
const listOf = (vector: string): string =>
  `(select list.list_no from list order by list.centroid <#> ${vector} limit 1)`;

/**
 * One step of spherical k-means in batches (Sculley, "Web-scale k-means clustering", 2010): each centroid moves towards the mean of
 * those vectors of a sample that are nearest to it, the less the more it has seen before.
 */
export async function trainStep(tx: EntityManager, space: VectorSpace, indexNo: string, sample: Sample): Promise<void> {
  await tx.query(
    `with list as materialized (${listsOfIndex('$6')}),
     drawn as materialized (${sampleSql}),
     placed as materialized (select d.embedding, ${listOf('d.embedding')} as list_no from drawn d),
     mean as materialized (select list_no, avg(embedding) as centroid, count(*)::int as seen from placed group by list_no)
     update vector_list l
     set sampled = l.sampled + mean.seen,
         centroid = l2_normalize(${share('l.centroid', 'l.sampled')} + ${share('mean.centroid', 'mean.seen')})::halfvec(1024)
     from mean where l.tenant_id = $1 and l.index_no = $6 and l.list_no = mean.list_no`,
    [...sampleParameters(space, sample), indexNo],
  );
  await tx.query(
    'update vector_index set trained_vectors = trained_vectors + $3 where tenant_id = $1 and index_no = $2',
    [space.tenantId, indexNo, sample.count],
  );
}

/** A vector times a count's share of all that the centroid has seen by then. In single precision: small halves underflow. */
function share(vector: string, count: string): string {
  return `${vector}::vector(1024) * array_fill(${count}::real / (l.sampled + mean.seen), array[1024])::vector(1024)`;
}

/**
 * Ends the training. Lists of few vectors go, so that no centroid is as good as one document's vector. Gives the number of those
 * that stay.
 */
export async function endTraining(
  tx: EntityManager,
  tenantId: string,
  indexNo: string,
  minSampled: number,
): Promise<number> {
  await tx.query('delete from vector_list where tenant_id = $1 and index_no = $2 and sampled < $3', [
    ...[tenantId, indexNo, minSampled],
  ]);
  const [row] = await tx.query<{ lists: number; first: string | null; last: string | null }[]>(
    `select count(*)::int as lists, min(list_no) as first, max(list_no) as last from vector_list
     where tenant_id = $1 and index_no = $2`,
    [tenantId, indexNo],
  );
  const lists = row?.lists ?? 0;
  if (lists > 0) {
    await tx.query(
      `update vector_index set state = 'measuring', first_list = $3, last_list = $4
       where tenant_id = $1 and index_no = $2`,
      [tenantId, indexNo, row?.first, row?.last],
    );
  }
  return lists;
}

/** Vectors drawn at random. */
export async function drawVectors(tx: EntityManager, space: VectorSpace, sample: Sample): Promise<Float32Array[]> {
  const rows = await tx.query<{ embedding: string }[]>(
    `select drawn.embedding::text as embedding from (${sampleSql}) drawn`,
    sampleParameters(space, sample),
  );
  return rows.map(({ embedding }) => Float32Array.from(JSON.parse(embedding) as number[]));
}

/** Where the lists of an index lie from a question, and which of them the chunks are in, or will be. */
export async function measureQuestion(
  tx: EntityManager,
  { tenantId, modelId }: VectorSpace,
  indexNo: string,
  question: Float32Array,
  nearest: readonly ChunkKey[],
): Promise<Measured> {
  const lists = await tx.query<{ list_no: string; distance: number; sampled: number }[]>(
    `select list_no, centroid <=> $3::halfvec(1024) as distance, sampled from vector_list
     where tenant_id = $1 and index_no = $2`,
    [tenantId, indexNo, toSql(Array.from(question))],
  );
  const placed = await tx.query<{ list_no: string }[]>(
    `with list as materialized (${listsOfIndex('$2')})
     select ${listOf('v.embedding')} as list_no
     from unnest($3::uuid[], $4::int[], $5::int[]) as n (document_id, version, ordinal)
     join chunk_vector v on v.tenant_id = $1 and v.document_id = n.document_id and v.version = n.version
       and v.ordinal = n.ordinal and ${unindexedModelSql('v', '$6')}`,
    [
      ...[tenantId, indexNo],
      nearest.map(({ documentId }) => documentId),
      nearest.map(({ version }) => version),
      nearest.map(({ ordinal }) => ordinal),
      modelId,
    ],
  );
  return {
    lists: lists.map(({ list_no, distance, sampled }) => ({ listNo: list_no, distance, sampled })),
    nearest: placed.map(({ list_no }) => list_no),
  };
}

/** Lets vectors be put into the lists, and searches read by them. */
export async function useIndex(tx: EntityManager, tenantId: string, indexNo: string, margin: number): Promise<void> {
  await tx.query(`update vector_index set state = 'filling', margin = $3 where tenant_id = $1 and index_no = $2`, [
    tenantId,
    indexNo,
    margin,
  ]);
}

/** Gives an index up, and those before it: the space is searched as if there had never been one. */
export async function giveUpIndex(tx: EntityManager, space: VectorSpace, indexNo: string): Promise<void> {
  await removeOlderIndexes(tx, space, indexNo);
  await tx.query('delete from vector_list where tenant_id = $1 and index_no = $2', [space.tenantId, indexNo]);
  await tx.query(`update vector_index set state = 'useless' where tenant_id = $1 and index_no = $2`, [
    space.tenantId,
    indexNo,
  ]);
}

/** Removes the indexes of a space before one. Vectors that are still in their lists are in none from then on. */
export async function removeOlderIndexes(tx: EntityManager, space: VectorSpace, indexNo: string): Promise<void> {
  const older = `tenant_id = $1 and index_no = any (array(
    select i.index_no from vector_index i
    where i.tenant_id = $1 and i.model_id = $2 and i.vector_key_version = $3 and i.index_no < $4))`;
  const parameters = [space.tenantId, space.modelId, space.vectorKeyVersion, indexNo];
  await tx.query(`delete from vector_list where ${older}`, parameters);
  await tx.query(`delete from vector_index where ${older}`, parameters);
}

/** Removes the indexes of every space but these. */
export async function removeOtherIndexes(
  tx: EntityManager,
  tenantId: string,
  kept: readonly VectorSpace[],
): Promise<void> {
  const other = `tenant_id = $1 and index_no = any (array(
    select i.index_no from vector_index i where i.tenant_id = $1 and not exists (
      select from unnest($2::text[], $3::int[]) as k (model_id, vector_key_version)
      where k.model_id = i.model_id and k.vector_key_version = i.vector_key_version)))`;
  const parameters = [
    tenantId,
    kept.map(({ modelId }) => modelId),
    kept.map(({ vectorKeyVersion }) => vectorKeyVersion),
  ];
  await tx.query(`delete from vector_list where ${other}`, parameters);
  await tx.query(`delete from vector_index where ${other}`, parameters);
}

/** Two statements, because each has an index of its own. */
const unplaced = ['b.list_no = 0', 'b.list_no > 0'];

/**
 * Puts vectors of a space that are in no list of the index into the nearest one, at most `maxRows`; gives how many. Rows that a
 * writer holds at this moment are passed over: nobody waits for anybody, and what such a row becomes is in no list.
 */
export async function placeVectors(
  tx: EntityManager,
  space: VectorSpace,
  { indexNo, firstList }: { readonly indexNo: string; readonly firstList: string },
  maxRows: number,
): Promise<number> {
  let placed = 0;
  for (const condition of unplaced) {
    const [row] = await tx.query<{ placed: number }[]>(placeSql(condition), [
      ...[space.tenantId, space.modelId, space.vectorKeyVersion, indexNo, maxRows - placed, firstList],
    ]);
    placed += row?.placed ?? 0;
    if (placed >= maxRows) break;
  }
  return placed;
}

function placeSql(condition: string): string {
  return `
    with list as materialized (${listsOfIndex('$4')}),
    taken as materialized (
      select b.document_id, b.version, b.ordinal from chunk_bits b
      where b.tenant_id = $1 and b.model_id = $2 and b.vector_key_version = $3 and ${condition}
        and b.list_no < $6::bigint
      limit $5 for update skip locked),
    nearest as materialized (
      select t.document_id, t.version, t.ordinal, ${listOf('v.embedding')} as list_no
      from taken t join chunk_vector v on v.tenant_id = $1 and v.document_id = t.document_id and v.version = t.version
        and v.ordinal = t.ordinal and ${unindexedModelSql('v', '$2')}),
    placed as (
      update chunk_bits b set list_no = n.list_no from nearest n
      where b.tenant_id = $1 and b.document_id = n.document_id and b.version = n.version and b.ordinal = n.ordinal
        and b.model_id = $2
      returning 1)
    select count(*)::int as placed from placed`;
}
