/** What a search reads by a tenant's own index of vectors, in its transaction. */
import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import { gapsBetween, type ListRange } from '../domain/vector-index.ts';
import { nearHits, parametersOf, type NearestQuery, type NearHit, type NearRow, rerankSql } from './nearest-chunks.ts';

/** An index whose lists vectors are in. */
export interface OwnIndex extends ListRange {
  readonly indexNo: string;
  readonly modelId: string;
  readonly vectorKeyVersion: number;
}

/** Every index of the tenant, of all spaces and models; one row each, and there are hardly ever more than two. */
export async function readOwnIndexes(tx: EntityManager, tenantId: string): Promise<OwnIndex[]> {
  const rows = await tx.query<
    { index_no: string; model_id: string; vector_key_version: number; first_list: string; last_list: string }[]
  >(
    `select index_no, model_id, vector_key_version, first_list, last_list from vector_index
     where tenant_id = $1 and state = 'filling'`,
    [tenantId],
  );
  return rows.map((row) => ({
    indexNo: row.index_no,
    modelId: row.model_id,
    vectorKeyVersion: row.vector_key_version,
    first: BigInt(row.first_list),
    last: BigInt(row.last_list),
  }));
}

/**
 * As `findNearestByBits`, of the lists alone that are near the question, and of every vector that is in no list of the
 * indexes given: one that was just written, or whose list is gone. Undefined when there is no index of the
 * question's space and model. Fewer than `limit` do not mean that there are no more: the lists that were left out may have some.
 */
export async function findNearestByLists(
  tx: EntityManager,
  query: NearestQuery,
  indexes: readonly OwnIndex[],
  coarse: number,
): Promise<NearHit[] | undefined> {
  const ofSpace = indexes.filter(({ vectorKeyVersion }) => vectorKeyVersion === query.vectorKeyVersion);
  const ofModel = ofSpace.filter(({ modelId }) => modelId === query.modelId);
  if (ofModel.length === 0) return undefined;
  const near = await tx.query<{ list_no: string }[]>(nearListsSql, [
    query.tenantId,
    ofModel.map(({ indexNo }) => indexNo),
    toSql(Array.from(query.vector)),
  ]);
  // Lists of another model in the same space hold none of this model's vectors.
  const gaps = gapsBetween(ofSpace);
  const rows = await tx.query<NearRow[]>(listsSql(gaps.length), [
    ...parametersOf(query),
    Math.max(coarse, query.limit),
    near.map(({ list_no }) => list_no),
    ...gaps.flatMap(({ first, last }) => [String(first), String(last)]),
  ]);
  return nearHits(rows);
}

const nearListsSql = `
  with list as materialized (
    select l.index_no, l.list_no, l.centroid <=> $3::halfvec(1024) as distance
    from vector_list l where l.tenant_id = $1 and l.index_no = any ($2::bigint[])
  ), best as (select index_no, min(distance) as distance from list group by index_no)
  select list.list_no
  from list join best using (index_no) join vector_index i on i.tenant_id = $1 and i.index_no = list.index_no
  where list.distance <= best.distance + i.margin * abs(1 - best.distance)`;

const differing = 'b.bits <~> binary_quantize($3::halfvec(1024))::bit(1024) as differing';
const asked = '($4::uuid[] is null or b.document_id = any ($4::uuid[]))';

/** Chunks of the space whose list is one of these, with how much their bits differ from the question's. */
const ofLists = (condition: string): string => `
      select b.document_id, b.version, b.ordinal, ${differing} from chunk_bits b
      where b.tenant_id = $1 and b.vector_key_version = $6 and ${condition} and ${asked}`;

/** Each gap has a part of its own, because for numbers that it knows the planner takes the index. */
function listsSql(gaps: number): string {
  const parts = [
    // Answered by the index chunk_bits_list alone: no column may be named that is not in it.
    ofLists('b.list_no > 0 and b.list_no = any ($8::bigint[])'),
    ofLists('b.list_no = 0 and b.model_id = $2'),
    ...Array.from({ length: gaps }, (_, gap) => {
      const [first, last] = [9 + 2 * gap, 10 + 2 * gap].map((number) => `$${String(number)}::bigint`);
      return ofLists(`b.list_no > 0 and b.list_no between ${first ?? ''} and ${last ?? ''} and b.model_id = $2`);
    }),
  ];
  return `
  with coarse as materialized (
    select near.document_id, near.version, near.ordinal from (${parts.join('\n      union all')}) near
    order by near.differing, near.document_id, near.version, near.ordinal
    limit $7
  )
  ${rerankSql}`;
}
