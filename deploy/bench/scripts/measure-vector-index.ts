/**
 * Measures a large tenant's own index of vectors beside the scan of all its bits:
 *   WARDSTONE_TEST_DATABASE_URL=… node deploy/bench/scripts/measure-vector-index.ts CHUNKS clustered|lexical
 * `clustered` are vectors of topics as trained models make them, `lexical` those that the embedded model makes of invented text.
 * The database is a superuser's; one of its own is made in it and dropped again. One chunk in 10 belongs to other tenants.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createKeyRing, createVectorTransform, seal } from '@wardstone/crypto';
import { type Database, migrate, openDatabase } from '@wardstone/db';
import { embedText } from '@wardstone/embedding/domain/lexical-embedder';
import { entities } from '@wardstone/retrieval/db/entities';
import { insertChunks, insertVectors, replaceDocument } from '@wardstone/retrieval/db/documents';
import { migrations } from '@wardstone/retrieval/db/migrations';
import { findNearest, findNearestByBits, type NearHit, planForTenant } from '@wardstone/retrieval/db/nearest-chunks';
import { findNearestByLists, readOwnIndexes } from '@wardstone/retrieval/db/vector-index-search';
import { coarseCandidates } from '@wardstone/retrieval/domain/vector-steps';
import { indexTenant } from '@wardstone/retrieval/jobs/keep-vector-index';
import { createMetrics } from '@wardstone/retrieval/metrics';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import { createTestDatabase } from '@wardstone/testing';
import { rareText } from '../src/material.ts';
import { median, percentile } from '../src/statistics.ts';

const dimensions = 1024;
const chunksPerDocument = 100;
const writers = 2;
const questions = 100;
const modelId = 'measured';
const tenantId = randomUUID();

const [chunks, kind] = [Number(process.argv[2]), process.argv[3]];
if (!Number.isInteger(chunks) || (kind !== 'clustered' && kind !== 'lexical')) {
  throw new TypeError('usage: measure-vector-index.ts CHUNKS clustered|lexical');
}

/** Normally distributed numbers that follow from the seed (Box and Muller). */
function normals(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

const topics = 1_500;
/** Dimensions that the topics vary in, the first ones the most; in all of them there is some noise. */
const topicDimensions = 256;
const topicCentres = Array.from({ length: topics }, (_, topic) => {
  const normal = normals(1_000_000 + topic);
  return Float32Array.from({ length: topicDimensions }, (__, at) => normal() / Math.sqrt(at + 1));
});

/** A vector about one of the topics; `spread` is how far it strays from it. */
function topicalVector(seed: number, spread: number): Float32Array {
  const normal = normals(seed);
  const centre = topicCentres[(seed * 7919) % topics] ?? new Float32Array();
  const own = Float32Array.from(centre, (value, at) => value + (spread * normal()) / Math.sqrt(at + 1));
  const noise = 0.3 * Math.hypot(...own);
  const vector = Float32Array.from({ length: dimensions }, (_, at) => (own[at] ?? 0) + (noise * normal()) / 32);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

const vectorOf = (number: number): Float32Array =>
  kind === 'clustered' ? topicalVector(number, 0.7) : embedText(rareText(number, 120), 'passage');
const questionOf = (number: number): Float32Array =>
  kind === 'clustered' ? topicalVector(90_000_000 + number, 0.9) : embedText(rareText(9_000_000 + number, 6), 'query');

const testDatabase = await createTestDatabase({ schemas: ['retrieval'] });
const { ownerUrl, appRole, appUrl: url } = testDatabase.schema('retrieval');
await migrate({ ownerUrl, appRole, schema: 'retrieval', migrations });
const database = await openDatabase({
  ...{ url, schema: 'retrieval', entities, applicationName: 'measure', poolSize: writers },
});
try {
  await seconds('loading', load);
  await seconds('vacuum', vacuum);
  const { log } = createTelemetry({ service: 'measure', version: '0', logLevel: 'info' });
  const deps = { database, log, metrics: createMetrics(new Registry()) };
  const bounds = { signal: new AbortController().signal, untilMs: Number.POSITIVE_INFINITY };
  await seconds('training and filling', async () => indexTenant(deps, tenantId, { minChunks: 1_000 }, bounds));
  await seconds('vacuum', vacuum);
  console.table(await measure(database));
} finally {
  await database.close();
  await testDatabase.drop();
}

async function load(): Promise<void> {
  const space = createVectorTransform(createHash('sha256').update('measured').digest(), dimensions);
  const keys = createKeyRing({
    fetch: async () => ({ key: new Uint8Array(32), version: 1, currentVersion: 1, maxAgeMs: 3_600_000 }),
  });
  // One value for all: they are as long as titles and passages, and nobody opens them.
  const place = { tenantId, resource: tenantId };
  const titleSealed = await seal(keys, 'content', { ...place, field: 'index_title' }, 'x'.repeat(40));
  const passageSealed = await seal(keys, 'content', { ...place, field: 'passage' }, 'x'.repeat(1_000));
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < chunks / chunksPerDocument) {
      const number = next;
      next += 1;
      const owner = {
        tenantId: number % 10 === 9 ? randomUUID() : tenantId,
        documentId: randomUUID(),
        version: 1,
      };
      const rows = Array.from({ length: chunksPerDocument }, (_, ordinal) => ({
        ...{ ordinal, passageSealed, contentKeyVersion: 1 },
        vector: space.apply(vectorOf(number * chunksPerDocument + ordinal)),
      }));
      const head = { ...owner, titleSealed, labelsSealed: undefined, contentKeyVersion: 1, termsKeyVersion: 1 };
      await database.inTenant(owner.tenantId, async (tx) => {
        await replaceDocument(tx, { ...head, chunkCount: chunksPerDocument });
        await insertChunks(tx, owner, rows);
        await insertVectors(tx, owner, { modelId, vectorKeyVersion: 1 }, rows);
      });
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
}

/** What autovacuum does a minute later. */
async function vacuum(): Promise<void> {
  for (const table of ['chunk', 'chunk_vector', 'chunk_bits', 'vector_list']) {
    await testDatabase.query(`vacuum analyze retrieval.${table}`);
  }
}

async function measure({ inTenant }: Database): Promise<object[]> {
  const space = createVectorTransform(createHash('sha256').update('measured').digest(), dimensions);
  const ways = {
    'every vector': { times: [] as number[], found: 0 },
    'bits of all': { times: [] as number[], found: 0 },
    'own index': { times: [] as number[], found: 0 },
  };
  for (let number = 0; number < questions; number += 1) {
    const vector = space.apply(questionOf(number));
    const query = { tenantId, modelId, vector, vectorKeyVersion: 1, documentIds: undefined, limit: 100 };
    const run = async (
      way: keyof typeof ways,
      search: Parameters<typeof inTenant<NearHit[]>>[1],
    ): Promise<string[]> => {
      const startedAt = performance.now();
      const hits = await inTenant(tenantId, async (tx) => {
        await planForTenant(tx);
        return search(tx);
      });
      ways[way].times.push(performance.now() - startedAt);
      return hits.slice(0, 10).map(({ documentId, ordinal }) => `${documentId}/${ordinal}`);
    };
    const exact = new Set(await run('every vector', async (tx) => findNearest(tx, query)));
    const bits = await run('bits of all', async (tx) => findNearestByBits(tx, query, coarseCandidates));
    const own = await run('own index', async (tx) => {
      const listed = await findNearestByLists(tx, query, await readOwnIndexes(tx, tenantId), coarseCandidates);
      return listed ?? (await findNearestByBits(tx, query, coarseCandidates));
    });
    ways['every vector'].found += exact.size;
    ways['bits of all'].found += bits.filter((key) => exact.has(key)).length;
    ways['own index'].found += own.filter((key) => exact.has(key)).length;
  }
  return Object.entries(ways).map(([way, { times, found }]) => ({
    way,
    'p50 ms': median(times).toFixed(1),
    'p95 ms': percentile(times, 0.95).toFixed(1),
    'recall@10': (found / (10 * questions)).toFixed(3),
  }));
}

async function seconds(what: string, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  console.error(`${what}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
}
