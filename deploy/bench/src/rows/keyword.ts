import { randomBytes } from 'node:crypto';
import { createBlindTerms } from '@wardstone/crypto';
import type { Database } from '@wardstone/db';
import type { TenantTerms } from '@wardstone/retrieval/adapters/tenant-terms';
import { readOverview } from '@wardstone/retrieval/db/keyword-search';
import { planForTenant } from '@wardstone/retrieval/db/nearest-chunks';
import { termsOf } from '@wardstone/retrieval/domain/analyse';
import { keywordCandidates } from '@wardstone/retrieval/rpc/keyword-candidates';
import pg from 'pg';
import {
  chunksPerDocument,
  fixedUuid,
  type IndexLoader,
  openIndexLoader,
  textsOf,
  vacuumIndex,
} from '../index-loader.ts';
import { rareText } from '../material.ts';
import type { Bench, Measured, Row } from '../row.ts';
import { median, percentile } from '../statistics.ts';

const sizes = [10_000, 100_000];
/** Both sides grow together; what is not loaded by then is left out, and the row says so. */
const maxLoadMs = 240_000;
const questions = 60;
const warmUps = 5;
const limit = 50;
const wordsPerQuestion = 5;

/** Keyword search over blind terms as the service runs it, beside Postgres' own over the same words in clear. */
export const keywordRow: Row = {
  name: 'keyword',
  measure: async ({ platform, progress, signal }: Bench) => {
    // What an earlier run has loaded would be searched with the rest.
    await platform.startFresh();
    const running = await platform.running();
    const tenantId = fixedUuid(0xeeee, 1);
    const loader = await openIndexLoader(running);
    const clear = await openClearText(running.adminDatabaseUrl);
    // No other tenant's key, and none of a tenant that exists: rows of this one are read by nobody else.
    const blind = createBlindTerms(randomBytes(32));
    const terms: TenantTerms = { keyVersion: 1, word: (word) => blind.term('word', word), filter: () => 0n };
    const results: Measured[] = [];
    const until = performance.now() + maxLoadMs;
    let loaded = 0;
    try {
      for (const size of sizes) {
        progress(`keyword: ${size} chunks, blind and in clear`);
        while (loaded < size && performance.now() < until) {
          signal.throwIfAborted();
          await loader.writeKeywords(tenantId, loaded / chunksPerDocument, terms);
          await clear.write(tenantId, loaded / chunksPerDocument);
          loaded += chunksPerDocument;
          if (loaded % 20_000 === 0 || loaded === size) await loader.merge(tenantId);
        }
        await loader.merge(tenantId);
        await vacuumIndex(running.adminDatabaseUrl);
        await clear.settle();
        results.push(...(await compare(loader, clear, { tenantId, terms, loaded, size, signal })));
        if (loaded < size) break;
      }
      return results;
    } finally {
      await clear.close();
      await loader.close();
    }
  },
};

interface Comparison {
  readonly tenantId: string;
  readonly terms: TenantTerms;
  readonly loaded: number;
  readonly size: number;
  readonly signal: AbortSignal;
}

async function compare(
  { database }: IndexLoader,
  clear: ClearText,
  { tenantId, terms, loaded, size, signal }: Comparison,
): Promise<Measured[]> {
  const times = { ours: [] as number[], bare: [] as number[] };
  for (let number = -warmUps; number < questions; number += 1) {
    signal.throwIfAborted();
    const question = rareText(5_000_000 + number, wordsPerQuestion);
    const oursMs = await millisecondsOf(async () => blindSearch(database, { tenantId, terms, signal }, question));
    const bareMs = await millisecondsOf(async () => clear.search(tenantId, question));
    if (number < 0) continue;
    times.ours.push(oursMs);
    times.bare.push(bareMs);
  }
  const short = loaded < size ? `; ${loaded} of them, because loading took too long` : '';
  const what = `BM25 over blind terms, ${size / 1000}k chunks`;
  const common = { unit: 'ms', better: 'lower', bareIs: 'tsvector, GIN, ts_rank over clear text' } as const;
  return [
    {
      ...common,
      what: `${what}, p50`,
      ours: median(times.ours),
      bare: median(times.bare),
      note: `exact BM25, best ${limit} of any of ${wordsPerQuestion} words, transaction and row-level security included${short}`,
    },
    { ...common, what: `${what}, p95`, ours: percentile(times.ours, 0.95), bare: percentile(times.bare, 0.95) },
  ];
}

async function blindSearch(
  database: Pick<Database, 'inTenant'>,
  { tenantId, terms, signal }: Pick<Comparison, 'tenantId' | 'terms' | 'signal'>,
  question: string,
): Promise<void> {
  const words = new Map(termsOf(question).map((word) => [word, 1]));
  const { hits } = await database.inTenant(
    tenantId,
    async (tx) => {
      await planForTenant(tx);
      const overview = await readOverview(tx, tenantId);
      const query = { tenantId, words, terms: new Map([[1, terms]]), documentIds: undefined, limit, signal };
      return keywordCandidates(tx, overview, query);
    },
    { isolation: 'REPEATABLE READ' },
  );
  if (hits.length !== limit) throw new Error(`a search found ${hits.length} chunks instead of ${limit}`);
}

/** The same texts in clear, as one would do it with Postgres alone. */
interface ClearText {
  write(tenantId: string, number: number): Promise<void>;
  /** Empties the list of pending entries of the GIN index. */
  settle(): Promise<void>;
  search(tenantId: string, question: string): Promise<void>;
  close(): Promise<void>;
}

async function openClearText(adminUrl: string): Promise<ClearText> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  await client.query('drop schema if exists bench_keyword cascade');
  await client.query('create schema bench_keyword');
  await client.query(
    `create table bench_keyword.passage (tenant_id uuid not null, id bigint generated always as identity primary key,
       body text not null, words tsvector generated always as (to_tsvector('english', body)) stored)`,
  );
  await client.query('create index on bench_keyword.passage using gin (words)');
  return {
    write: async (tenantId, number) => {
      await client.query(
        'insert into bench_keyword.passage (tenant_id, body) select $1, t from unnest($2::text[]) as t',
        [tenantId, textsOf(number)],
      );
    },
    settle: async () => {
      await client.query('vacuum analyze bench_keyword.passage');
    },
    search: async (tenantId, question) => {
      const { rows } = await client.query(
        `select id, ts_rank(words, q) as score from bench_keyword.passage, to_tsquery('english', $2) as q
         where tenant_id = $1 and words @@ q order by score desc limit $3`,
        [tenantId, question.split(' ').join(' | '), limit],
      );
      if (rows.length !== limit) throw new Error(`ts_rank found ${rows.length} chunks instead of ${limit}`);
    },
    close: async () => {
      await client.query('drop schema bench_keyword cascade');
      await client.end();
    },
  };
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
