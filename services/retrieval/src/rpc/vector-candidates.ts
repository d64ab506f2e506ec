/** The ranking by vectors of one search. How it is read follows from how much there is to read. */
import type { EntityManager } from 'typeorm';
import { countChunks } from '../db/documents.ts';
import { findNearest, findNearestByBits, type NearestQuery, type NearHit } from '../db/nearest-chunks.ts';
import { findNearestByLists, readOwnIndexes } from '../db/vector-index-search.ts';
import { compareChunks } from '../domain/chunk.ts';
import { coarseCandidates, type VectorSteps } from '../domain/vector-steps.ts';

export interface VectorQuestion extends Omit<NearestQuery, 'vector' | 'vectorKeyVersion'> {
  /** The question's vector in each space that is to be searched. */
  readonly vectors: ReadonlyMap<number, Float32Array>;
  /** Live chunks of the tenant. */
  readonly tenantChunks: number;
}

/** The chunks nearest to a question over all spaces, best first; never fewer than exist, up to the limit. */
export async function vectorCandidates(
  tx: EntityManager,
  steps: VectorSteps,
  { vectors, tenantChunks, ...question }: VectorQuestion,
): Promise<NearHit[]> {
  const { tenantId, documentIds, limit } = question;
  const isLarge = tenantChunks > steps.exactMaxChunks;
  const asked = isLarge && documentIds !== undefined ? await countChunks(tx, tenantId, documentIds) : tenantChunks;
  const indexes = asked > steps.bitsMaxChunks ? await readOwnIndexes(tx, tenantId) : [];
  const near: NearHit[] = [];
  for (const [vectorKeyVersion, vector] of vectors) {
    const query = { ...question, vector, vectorKeyVersion };
    if (asked <= steps.exactMaxChunks) near.push(...(await findNearest(tx, query)));
    else {
      const listed = await findNearestByLists(tx, query, indexes, coarseCandidates);
      const isEnough = listed !== undefined && listed.length >= limit;
      near.push(...(isEnough ? listed : await findNearestByBits(tx, query, coarseCandidates)));
    }
  }
  near.sort((a, b) => b.score - a.score || compareChunks(a, b)).splice(limit);
  return near;
}
