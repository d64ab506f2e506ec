import { createServiceIdentity } from '@wardstone/access';
import { createLexicalEmbedder } from '@wardstone/embedding/domain/lexical-embedder';
import type { Platform } from '@wardstone/local/platform/platform';
import { serviceKeyFile } from '@wardstone/local/platform/service-keys';
import { currentTerms } from '@wardstone/retrieval/adapters/tenant-terms';
import { findNearest, findNearestByBits, planForTenant } from '@wardstone/retrieval/db/nearest-chunks';
import { chunkIdOf } from '@wardstone/retrieval/domain/chunk';
import { coarseCandidates, defaultBitsMaxChunks, vectorSteps } from '@wardstone/retrieval/domain/vector-steps';
import type { QuestionVector } from '@wardstone/retrieval/ports';
import { findCandidates, type Question } from '@wardstone/retrieval/rpc/find-candidates';
import { asPrincipal, createServiceClient, type Principal } from '@wardstone/rpc';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { bareSearch } from '../bare-search.ts';
import {
  chunksPerDocument,
  fixedUuid,
  type IndexLoader,
  neighbourlyVector,
  openIndexLoader,
  vacuumIndex,
} from '../index-loader.ts';
import { rareText } from '../material.ts';
import type { Bench, Measured, Row } from '../row.ts';
import { median, percentile } from '../statistics.ts';

const sizes = [1_000, 10_000, 100_000];
/** What is not loaded by then is left out, and the row says so. */
const maxLoadMs = 600_000;
const otherTenants = 1_000;
const chunksOfOthers = 10;
const searches = 60;
const warmUps = 5;
const recallQuestions = 20;
const topK = 8;
/** Rows that the service fetches for `topK`: spares take the places of damaged ones. */
const rowsFetched = 24;
const wordsPerQuestion = 6;

/** Search of the running retrieval service, as the gateway calls it, against its own statements through bare pg. */
export const searchRow: Row = {
  name: 'search',
  measure: async ({ platform, progress, signal }: Bench) => {
    // What an earlier run has loaded would be searched with the rest.
    await platform.startFresh();
    const running = await platform.running();
    const tenantId = running.accounts.tenants[1]?.id ?? '';
    const loader = await openIndexLoader(running);
    const results: Measured[] = [];
    try {
      progress(`search: ${otherTenants} other tenants of ${chunksOfOthers} chunks`);
      for (let other = 1; other <= otherTenants; other += 1) {
        signal.throwIfAborted();
        await loader.writeStranger(fixedUuid(0xffff, other), other, chunksOfOthers);
      }
      const terms = await currentTerms(loader.keys, tenantId);
      const until = performance.now() + maxLoadMs;
      let loaded = 0;
      for (const size of sizes) {
        progress(`search: ${size} chunks in one tenant`);
        for (; loaded < size && performance.now() < until; loaded += chunksPerDocument) {
          signal.throwIfAborted();
          await loader.write(tenantId, loaded / chunksPerDocument, terms);
        }
        await loader.merge(tenantId);
        await vacuumIndex(running.adminDatabaseUrl);
        const what = `Search among ${otherTenants} tenants, ${size / 1000}k chunks`;
        const short = loaded < size ? `; ${loaded} of them, because loading took too long` : '';
        results.push(...(await compare(running, loader, { tenantId, what, short, signal })));
        results.push(await recall(loader, { tenantId, what, loaded }));
        results.push(await hybridRecall(loader, { tenantId, what }, signal));
        if (loaded < size) break;
      }
      return results;
    } finally {
      await loader.close();
    }
  },
};

interface Comparison {
  readonly tenantId: string;
  readonly what: string;
  readonly short: string;
  readonly signal: AbortSignal;
}

async function compare(
  running: Platform,
  { keys }: IndexLoader,
  { tenantId, what, short, signal }: Comparison,
): Promise<Measured[]> {
  const model = createLexicalEmbedder();
  const ours = await serviceSearch(running, tenantId);
  const bare = await bareSearch(running.databases.app('retrieval'), tenantId, keys);
  const times = { ours: [] as number[], bare: [] as number[] };
  try {
    let before = await stepsOf(running);
    for (let number = -warmUps; number < searches; number += 1) {
      signal.throwIfAborted();
      if (number === 0) before = await stepsOf(running);
      const text = rareText(9_000_000 + number, wordsPerQuestion);
      const { vectors } = await model.embed([text], 'query', { tenantId });
      const [vector = new Float32Array(model.dimensions)] = vectors;
      const asked = questionOf({ tenantId, text, modelId: model.id, vector, limit: rowsFetched, signal });
      const statements = await bare.record(asked);
      const oursMs = await millisecondsOf(async () => ours(text));
      const bareMs = await millisecondsOf(async () => bare.replay(statements));
      if (number < 0) continue;
      times.ours.push(oursMs);
      times.bare.push(bareMs);
    }
    const common = { unit: 'ms', better: 'lower', bareIs: 'its own statements through pg' } as const;
    const note = `${describeSteps(before, await stepsOf(running))}${short}`;
    return [
      { what: `${what}, p50`, ours: median(times.ours), bare: median(times.bare), ...common, note },
      { what: `${what}, p95`, ours: percentile(times.ours, 0.95), bare: percentile(times.bare, 0.95), ...common },
    ];
  } finally {
    await bare.close();
  }
}

/** Of the ten nearest vectors, how many the service's way of scanning finds at this size. */
async function recall(
  { database }: IndexLoader,
  { tenantId, what, loaded }: { readonly tenantId: string; readonly what: string; readonly loaded: number },
): Promise<Measured> {
  const isExact = loaded <= vectorSteps(defaultBitsMaxChunks).exactMaxChunks;
  let found = 0;
  for (let number = 0; number < recallQuestions; number += 1) {
    const vector = neighbourlyVector(3_000_000 + number);
    const modelId = createLexicalEmbedder().id;
    const query = { tenantId, modelId, vector, vectorKeyVersion: 1, documentIds: undefined, limit: 10 };
    const [exact, ours] = await database.inTenant(tenantId, async (tx) => {
      await planForTenant(tx);
      const nearest = await findNearest(tx, query);
      return [nearest, isExact ? nearest : await findNearestByBits(tx, query, coarseCandidates)] as const;
    });
    const keyOf = ({ documentId, ordinal }: { documentId: string; ordinal: number }): string =>
      `${documentId}/${ordinal}`;
    const wanted = new Set(exact.map(keyOf));
    found += ours.filter((hit) => wanted.has(keyOf(hit))).length;
  }
  return {
    what: `${what}, recall@10 of vectors`,
    unit: '0 to 1',
    better: 'higher',
    ours: found / (10 * recallQuestions),
    bare: 1,
    bareIs: 'an exact scan',
    note: isExact ? 'the scan is exact at this size' : `bits of all, the best ${coarseCandidates} exactly`,
  };
}

/** Of the ten best by words and vectors together, how many are found by the service's way of scanning, and by comparing every vector. */
async function hybridRecall(
  { database, keys }: IndexLoader,
  { tenantId, what }: { readonly tenantId: string; readonly what: string },
  signal: AbortSignal,
): Promise<Measured> {
  const model = createLexicalEmbedder();
  const everyVector = { exactMaxChunks: Number.MAX_SAFE_INTEGER, bitsMaxChunks: Number.MAX_SAFE_INTEGER };
  let found = 0;
  for (let number = 0; number < recallQuestions; number += 1) {
    const text = rareText(8_000_000 + number, wordsPerQuestion);
    const { vectors } = await model.embed([text], 'query', { tenantId });
    const [vector = new Float32Array(model.dimensions)] = vectors;
    const asked = questionOf({ tenantId, text, modelId: model.id, vector, limit: 10, signal });
    const [exact, ours] = await Promise.all(
      [everyVector, vectorSteps(defaultBitsMaxChunks)].map(async (steps) =>
        findCandidates({ database, keys, vectorSteps: steps }, asked),
      ),
    );
    const wanted = new Set(exact?.hits.map(chunkIdOf));
    found += ours?.hits.filter((hit) => wanted.has(chunkIdOf(hit))).length ?? 0;
  }
  return {
    what: `${what}, recall@10 of words and vectors`,
    unit: '0 to 1',
    better: 'higher',
    ours: found / (10 * recallQuestions),
    bare: 1,
    bareIs: 'the same with every vector compared',
  };
}

/** A question to all of a tenant, by the model that it was loaded with. */
function questionOf({
  modelId,
  vector,
  ...asked
}: Pick<Question, 'tenantId' | 'text' | 'limit' | 'signal'> & QuestionVector): Question {
  const by = { modelId, vector };
  return { ...asked, asked: by, embed: async () => by, documentIds: [], filters: [] };
}

async function serviceSearch(running: Platform, tenantId: string): Promise<(question: string) => Promise<void>> {
  const user = running.accounts.users.find(
    (candidate) => candidate.tenantId === tenantId && candidate.roles.includes('clinician'),
  );
  const principal: Principal = { subject: user?.subject ?? '', kind: 'user', tenantId, roles: ['clinician'] };
  const identity = await createServiceIdentity({
    service: 'gateway',
    privateJwkFile: serviceKeyFile(running.layout.keysDir, 'gateway'),
  });
  const client = createServiceClient(RetrievalService, {
    baseUrl: running.urls.retrieval,
    audience: 'retrieval',
    authorize: identity.authorize('retrieval'),
  });
  return async (query) => {
    const { hits } = await client.search({ query, topK }, asPrincipal(principal));
    if (hits.length !== topK) throw new Error(`a search found ${hits.length} chunks instead of ${topK}`);
  };
}

type Steps = ReadonlyMap<string, { readonly seconds: number; readonly count: number }>;
const steps = ['embed', 'scan', 'open'];

/** Where the service's time goes, from its own metrics. */
async function stepsOf(running: Platform): Promise<Steps> {
  const text = await (await fetch(`${running.urls.retrieval}/metrics`)).text();
  const read = (kind: string, step: string): number => {
    const line = new RegExp(`^wardstone_retrieval_search_seconds_${kind}\\{[^}]*step="${step}"[^}]*\\} (\\S+)$`, 'm');
    return Number(line.exec(text)?.[1] ?? 0);
  };
  return new Map(steps.map((step) => [step, { seconds: read('sum', step), count: read('count', step) }]));
}

function describeSteps(before: Steps, after: Steps): string {
  const means = steps.map((step) => {
    const [from, to] = [before.get(step), after.get(step)];
    const count = (to?.count ?? 0) - (from?.count ?? 0);
    const seconds = (to?.seconds ?? 0) - (from?.seconds ?? 0);
    return `${step} ${count === 0 ? '?' : ((seconds / count) * 1000).toFixed(1)}`;
  });
  return `means of its steps in ms: ${means.join(', ')}; the rest is the audit event and the calls`;
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
