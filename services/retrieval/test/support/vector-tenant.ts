/** A tenant with enough vectors for an index of its own, where that takes a few hundred. */
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { currentSpace } from '../../src/adapters/tenant-space.ts';
import { findNearest, type NearestQuery, type NearHit, planForTenant } from '../../src/db/nearest-chunks.ts';
import { findNearestByLists, readOwnIndexes } from '../../src/db/vector-index-search.ts';
import { coarseCandidates } from '../../src/domain/vector-steps.ts';
import { indexTenant, type IndexingOutcome } from '../../src/jobs/keep-vector-index.ts';
import type { Deps } from '../../src/ports.ts';
import { as, type Harness, modelId, running, seededVector } from './harness.ts';
import { seededRandom } from './plain-bm25.ts';

/** Chunks from which a tenant has an index here. */
export const minChunks = 240;
export const chunksPerDocument = 60;
/** So few that the lists near a question have as many chunks as a search asks for: it would read all bits otherwise. */
const clusters = 4;

/** A vector near one of four centres, as embeddings are near others about the same. */
export function clusteredVector(seed: number): Float32Array {
  const [centre, noise] = [seededVector(seed % clusters), seededVector(10_000 + seed)];
  const share = 0.5 + 0.3 * seededRandom(seed)();
  const sum = centre.map((value, at) => share * value + (1 - share) * (noise[at] ?? 0));
  const length = Math.hypot(...sum);
  return sum.map((value) => value / length);
}

export interface VectorTenant {
  readonly tenantId: string;
  /** Writes a document of 60 chunks, whose vectors and id follow from the number of the document; gives the id. */
  write(number: number, told?: { readonly labels?: readonly string[] }): Promise<string>;
  /** Works on the index until nothing is left to do. */
  build(deps?: Pick<Deps, 'database' | 'metrics' | 'log'>): Promise<IndexingOutcome>;
  /** Texts of what a search finds, best first. */
  search(vector: Float32Array, topK: number, filters?: { field: string; value: string }[]): Promise<string[]>;
  /** Which chunks the lists near a question and what is in no list give, best first; undefined while there is no index. */
  byLists(vector: Float32Array, limit: number): Promise<string[] | undefined>;
  /** Share of the ten nearest of an exact scan that the lists give, over questions. */
  recall(questions: number): Promise<number>;
  rows(sql: string): Promise<Record<string, unknown>[]>;
}

export function vectorTenant(
  harness: Harness,
  vectorOf: (seed: number) => Float32Array = clusteredVector,
): VectorTenant {
  const tenantId = uuidv7();
  const textOf = (number: number, ordinal: number): string => `d${String(number)} c${String(ordinal)}`;
  const search: VectorTenant['search'] = async (vector, topK, filters = []) => {
    harness.question.vector = vector;
    const { hits } = await harness.client.search({ query: 'zzz', topK, filters }, as(tenantId));
    return hits.map(({ text }) => text);
  };
  const near = async (
    question: Float32Array,
    read: (tx: EntityManager, query: NearestQuery) => Promise<readonly NearHit[] | undefined>,
  ): Promise<string[] | undefined> => {
    const { keyVersion, enter } = await currentSpace(harness.deps.keys, tenantId);
    const query = { tenantId, modelId, vector: enter(question), vectorKeyVersion: keyVersion, documentIds: undefined };
    const hits = await harness.database.inTenant(tenantId, async (tx) => {
      await planForTenant(tx);
      return read(tx, { ...query, limit: 10 });
    });
    return hits?.map(({ documentId, ordinal }) => `${documentId}/${String(ordinal)}`);
  };
  const byLists: VectorTenant['byLists'] = async (question, limit) =>
    near(question, async (tx, query) =>
      findNearestByLists(tx, { ...query, limit }, await readOwnIndexes(tx, tenantId), coarseCandidates),
    );
  return {
    tenantId,
    search,
    write: async (number, told = {}) => {
      const chunks = Array.from({ length: chunksPerDocument }, (_, ordinal) => ({
        text: textOf(number, ordinal),
        vector: vectorOf(number * chunksPerDocument + ordinal),
      }));
      // The same ids in every run: by them the vectors are drawn that lists are made of.
      const documentId = `01970000-0000-7000-8000-${String(number).padStart(12, '0')}`;
      return (await harness.index({ tenantId, documentId, chunks, ...told })).documentId;
    },
    build: async (deps = harness.deps) => {
      // As autovacuum does: without statistics the plans are made for tables of another size, and tests take minutes.
      await harness.testDatabase.query('analyze retrieval.chunk, retrieval.chunk_vector, retrieval.chunk_bits');
      return indexTenant(deps, tenantId, { minChunks }, { signal: running.signal, untilMs: Number.POSITIVE_INFINITY });
    },
    byLists,
    recall: async (questions) => {
      let [found, all] = [0, 0];
      for (let number = 0; number < questions; number += 1) {
        const question = clusteredVector(500_000 + number);
        const listed = await byLists(question, 10);
        const nearest = (await near(question, findNearest)) ?? [];
        found += nearest.filter((id) => listed?.includes(id)).length;
        all += nearest.length;
      }
      return found / all;
    },
    rows: (sql) => harness.testDatabase.query(sql, [tenantId]),
  };
}
