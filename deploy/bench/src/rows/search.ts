import { createServiceIdentity } from '@wardstone/access';
import { createRemoteKeyRing, type KeyRing } from '@wardstone/crypto';
import { openDatabase } from '@wardstone/db';
import { createLexicalEmbedder } from '@wardstone/embedding/domain/lexical-embedder';
import type { Platform } from '@wardstone/local/platform/platform';
import { serviceKeyFile } from '@wardstone/local/platform/service-keys';
import { sealPassage, sealTitle } from '@wardstone/retrieval/adapters/seals';
import { insertChunks, lockDocument, replaceDocument, type NewChunk } from '@wardstone/retrieval/db/documents';
import { entities } from '@wardstone/retrieval/db/entities';
import { asPrincipal, createServiceClient, type Principal } from '@wardstone/rpc';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import pg from 'pg';
import { bareSearch } from '../bare-search.ts';
import { inventedText, inventedVector } from '../material.ts';
import type { Bench, Measured, Row } from '../row.ts';
import { median, percentile } from '../statistics.ts';

/** The first version, which a new tenant has. Invented vectors are as good in its space as in any. */
const vectorKeyVersion = 1;
const unlabelled = { labelsSealed: undefined, contentKeyVersion: 1, termsKeyVersion: undefined } as const;
const chunks = 10_000;
const chunksPerDocument = 100;
const otherTenants = 3;
const chunksOfOthers = 1_000;
const searches = 150;
const warmUps = 10;
const topK = 8;
/** Rows that the service fetches for `topK`: spares take the places of damaged ones. */
const rowsFetched = 24;

/** Search of the running retrieval service, as the gateway calls it, against the scan's own SQL through bare pg. */
export const searchRow: Row = {
  name: 'search',
  measure: async ({ platform, progress, signal }: Bench) => {
    const running = await platform.running();
    const tenantId = running.accounts.tenants[1]?.id ?? '';
    progress(`search: ${chunks} chunks into one tenant, ${chunksOfOthers} into each of ${otherTenants} others`);
    await load(running, tenantId, signal);
    progress(`search: ${searches} searches, each beside its SQL alone`);
    const model = createLexicalEmbedder();
    const ours = await serviceSearch(running, tenantId);
    const bare = await bareSearch(running.databases.app('retrieval'), tenantId);
    const times = { ours: [] as number[], bare: [] as number[] };
    try {
      const before = await stepsOf(running);
      for (let number = -warmUps; number < searches; number += 1) {
        signal.throwIfAborted();
        const question = inventedText(90_000 + number, 60);
        const [vector = new Float32Array(model.dimensions)] = await model.embed([question], 'query');
        const oursMs = await millisecondsOf(async () => ours(question));
        const bareMs = await millisecondsOf(async () =>
          bare.search({ vector, vectorKeyVersion, modelId: model.id, limit: rowsFetched }),
        );
        if (number < 0) continue;
        times.ours.push(oursMs);
        times.bare.push(bareMs);
      }
      return lines(times, describeSteps(before, await stepsOf(running)));
    } finally {
      await bare.close();
    }
  },
};

function lines(
  times: { readonly ours: readonly number[]; readonly bare: readonly number[] },
  note: string,
): Measured[] {
  const common = { unit: 'ms', better: 'lower', bareIs: 'the same SQL through pg' } as const;
  return [
    { what: 'Search at 10k chunks, p50', ours: median(times.ours), bare: median(times.bare), ...common, note },
    {
      what: 'Search at 10k chunks, p95',
      ours: percentile(times.ours, 0.95),
      bare: percentile(times.bare, 0.95),
      ...common,
    },
  ];
}

async function serviceSearch(running: Platform, tenantId: string): Promise<(question: string) => Promise<void>> {
  const user = running.accounts.users.find(
    (candidate) => candidate.tenantId === tenantId && candidate.roles.includes('clinician'),
  );
  const principal: Principal = { subject: user?.subject ?? '', kind: 'user', tenantId, roles: ['clinician'] };
  const client = createServiceClient(RetrievalService, {
    baseUrl: running.urls.retrieval,
    audience: 'retrieval',
    authorize: (await identityOf(running, 'gateway')).authorize('retrieval'),
  });
  return async (query) => {
    const { hits } = await client.search({ query, topK }, asPrincipal(principal));
    if (hits.length !== topK) throw new Error(`a search found ${hits.length} chunks instead of ${topK}`);
  };
}

async function identityOf(running: Platform, service: string) {
  return createServiceIdentity({ service, privateJwkFile: serviceKeyFile(running.layout.keysDir, service) });
}

/** Writes the index as the stage `index` does, with the same functions. Loading again replaces the documents. */
async function load(running: Platform, tenantId: string, signal: AbortSignal): Promise<void> {
  const tenantKey = createServiceClient(TenantKeyService, {
    baseUrl: running.urls['tenant-key'],
    audience: 'tenant-key',
    authorize: (await identityOf(running, 'retrieval')).authorize('tenant-key'),
  });
  const keys = createRemoteKeyRing(tenantKey, 'retrieval');
  const database = await openDatabase({
    url: running.databases.app('retrieval'),
    schema: 'retrieval',
    entities,
    poolSize: 2,
    applicationName: 'bench',
  });
  const write = async (document: IndexedDocument): Promise<void> => {
    signal.throwIfAborted();
    const { chunks: rows, ...head } = document;
    await database.inTenant(document.tenantId, async (tx) => {
      await lockDocument(tx, head);
      await replaceDocument(tx, { ...head, chunkCount: rows.length, ...unlabelled });
      await insertChunks(tx, head, rows);
    });
  };
  try {
    for (let number = 0; number < chunks / chunksPerDocument; number += 1) {
      await write(await sealedDocument(keys, tenantId, number));
    }
    for (let other = 1; other <= otherTenants; other += 1) {
      const stranger = fixedUuid(0xffff, other);
      for (let number = 0; number < chunksOfOthers / chunksPerDocument; number += 1) {
        await write(strangersDocument(stranger, other * chunks + number));
      }
    }
  } finally {
    await database.close();
    keys.clear();
  }
  await vacuum(running.adminDatabaseUrl);
}

interface IndexedDocument {
  readonly tenantId: string;
  readonly documentId: string;
  readonly version: number;
  readonly titleSealed: string;
  readonly modelId: string;
  readonly chunks: readonly NewChunk[];
}

async function sealedDocument(keys: KeyRing, tenantId: string, number: number): Promise<IndexedDocument> {
  const documentId = fixedUuid(1, number);
  const version = 1;
  const rows = ordinals().map(async (ordinal): Promise<NewChunk> => {
    const seed = number * chunksPerDocument + ordinal;
    const text = inventedText(seed, 900);
    const passage = {
      ...{ text, pageStart: 1, pageEnd: 1, charStart: ordinal * 900, charEnd: ordinal * 900 + text.length },
      pageBreaks: [{ page: 1, chunkOffset: 0 }],
    };
    const passageSealed = await sealPassage(keys, tenantId, { documentId, version, ordinal }, passage);
    return { ordinal, passageSealed, contentKeyVersion: 1, vector: inventedVector(seed, 1024), vectorKeyVersion };
  });
  const titleSealed = await sealTitle(keys, tenantId, documentId, `Invented document ${number}`);
  const modelId = createLexicalEmbedder().id;
  return { tenantId, documentId, version, titleSealed, modelId, chunks: await Promise.all(rows) };
}

/** Rows that no search opens: they only have to be there. */
function strangersDocument(tenantId: string, number: number): IndexedDocument {
  const passageSealed = 'x'.repeat(1_500);
  const rows = ordinals().map((ordinal): NewChunk => {
    const vector = inventedVector(number * chunksPerDocument + ordinal, 1024);
    return { ordinal, passageSealed, contentKeyVersion: 1, vector, vectorKeyVersion };
  });
  const modelId = createLexicalEmbedder().id;
  return { tenantId, documentId: fixedUuid(2, number), version: 1, titleSealed: 'x', modelId, chunks: rows };
}

function ordinals(): number[] {
  return Array.from({ length: chunksPerDocument }, (_, ordinal) => ordinal);
}

/** The same id for the same numbers in every run. */
function fixedUuid(group: number, number: number): string {
  return `01970000-${group.toString(16).padStart(4, '0')}-7000-8000-${number.toString(16).padStart(12, '0')}`;
}

/** What autovacuum does a minute later: neither side should have it in its times. */
async function vacuum(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query('vacuum analyze retrieval.chunk');
    await client.query('vacuum analyze retrieval.indexed_document');
  } finally {
    await client.end();
  }
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
