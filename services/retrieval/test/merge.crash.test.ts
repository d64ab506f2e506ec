import { asPrincipal } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { createIndexKeeper } from '../src/jobs/index-keeper.ts';
import { mergePass, mergeTenant } from '../src/jobs/merge-keywords.ts';
import type { Deps } from '../src/ports.ts';
import { as, clinician, type Harness, openHarness, seededVector } from './support/harness.ts';
import { keywordRanking, mergeAll } from './support/keyword-ranking.ts';
import { clearText, seededRandom } from './support/plain-bm25.ts';

/** Never, here. */
const vectorIndex = { minChunks: 1_000_000, lookIntervalMs: 60_000 };
const reembed = { lookIntervalMs: 60_000, keepOldMs: 60_000, askAgainMs: 60_000 };

describe('merge of keyword rows: crashes, damage and company', () => {
  let harness: Harness;
  let random: () => number;
  before(async () => {
    harness = await openHarness();
  });
  beforeEach(() => {
    random = seededRandom(3);
  });
  after(() => harness.close());

  async function write(tenantId: string, documentId: string = uuidv7(), version = 1): Promise<string> {
    const chunks = Array.from({ length: 6 }, (_, at) => ({ text: clearText(random, 40), vector: seededVector(at) }));
    await harness.index({ tenantId, documentId, version, chunks });
    return documentId;
  }
  const remove = (tenantId: string, documentId: string) =>
    harness.client.removeDocument({ documentId }, asPrincipal(clinician(tenantId)));
  const ranking = async (tenantId: string) =>
    (await keywordRanking(harness, tenantId, 'pain carditis hepatosis 500mg', { limit: 100 })).hits;
  const rows = async (sql: string, tenantId: string) => harness.testDatabase.query(sql, [tenantId]);

  /** Segments, dead parts and a tail, so that a merge does everything that it can do. */
  async function busyTenant(): Promise<string> {
    const tenantId = uuidv7();
    const ids = [];
    for (let number = 0; number < 6; number += 1) ids.push(await write(tenantId));
    await mergeAll(harness, tenantId);
    await remove(tenantId, ids[0] ?? '');
    await write(tenantId, ids[1], 2);
    await write(tenantId);
    return tenantId;
  }

  it('loses nothing when it is killed before any of its statements', async () => {
    const tenantId = await busyTenant();
    const before = await ranking(tenantId);
    let killedAt = 0;
    for (let statements = 1; ; statements += 1) {
      let sent = 0;
      const dying: Deps['database'] = {
        ...harness.database,
        inTenant: (tenant, work, options) =>
          harness.database.inTenant(
            tenant,
            (tx) => {
              const query = async (sql: string, values?: unknown[]): Promise<unknown> => {
                sent += 1;
                if (sent === statements) await harness.testDatabase.terminateConnections();
                return tx.query(sql, values);
              };
              return work(Object.create(tx, { query: { value: query } }) as EntityManager);
            },
            options,
          ),
      };
      const outcome = await mergeTenant({ ...harness.deps, database: dying }, tenantId).catch(() => undefined);
      if (outcome !== undefined && sent < statements) break;
      killedAt = statements;
      expect(await ranking(tenantId), `killed before statement ${String(statements)}`).to.deep.equal(before);
    }
    expect(killedAt).to.be.greaterThan(8);
    await mergeAll(harness, tenantId);
    expect(await ranking(tenantId)).to.deep.equal(before);
    expect(await rows('select 1 from retrieval.keyword_dead where tenant_id = $1', tenantId)).to.deep.equal([]);
  }).timeout(60_000);

  it('merges a tenant once, however many do it at the same time', async () => {
    const tenantId = await busyTenant();
    const before = await ranking(tenantId);
    await Promise.all(Array.from({ length: 4 }, () => mergeTenant(harness.deps, tenantId)));
    expect(await ranking(tenantId)).to.deep.equal(before);
    const [total] = await rows(
      'select chunk_count::int as chunks from retrieval.keyword_total where tenant_id = $1',
      tenantId,
    );
    expect(total).to.deep.equal({ chunks: 36 });
  });

  it('keeps every count while documents are written, replaced and removed beside it', async () => {
    const tenantId = uuidv7();
    const ids = Array.from({ length: 8 }, () => uuidv7());
    const writers = ids.map(async (id, at) => {
      for (let version = 1; version <= 4; version += 1) await write(tenantId, id, version);
      if (at % 4 === 0) await remove(tenantId, id);
    });
    let writing = true;
    const merger = (async () => {
      while (writing) await mergeTenant(harness.deps, tenantId);
    })();
    const reader = (async () => {
      while (writing) {
        const hits = await ranking(tenantId);
        const keys = hits.map(({ documentId, ordinal }) => `${documentId}/${String(ordinal)}`);
        expect(new Set(keys).size).to.equal(keys.length);
      }
    })();
    await Promise.all(writers);
    writing = false;
    await Promise.all([merger, reader]);
    const whileDead = await ranking(tenantId);
    await mergeAll(harness, tenantId);
    expect(await ranking(tenantId)).to.deep.equal(whileDead);
    const sums = await rows(
      `select (select sum(chunk_count)::int from retrieval.keyword_total where tenant_id = $1) as merged,
              (select sum(chunk_count)::int from retrieval.keyword_document where tenant_id = $1) as written,
              (select count(*)::int from retrieval.keyword_dead where tenant_id = $1) as dead`,
      tenantId,
    );
    expect(sums).to.deep.equal([{ merged: 36, written: 36, dead: 0 }]);
  }).timeout(60_000);

  it('answers by what can be read when a part is damaged, says which document, and writes it anew', async () => {
    const tenantId = uuidv7();
    const ids = [await write(tenantId), await write(tenantId)];
    const before = await ranking(tenantId);
    await rows(
      `update retrieval.keyword_document set postings = set_byte(postings, 40, get_byte(postings, 40) # 1)
       where tenant_id = $1 and document_id = '${ids[0] ?? ''}'`,
      tenantId,
    );
    harness.logs.length = 0;
    const { hits } = await harness.client.search({ query: 'pain carditis', topK: 100 }, as(tenantId));
    expect(hits).to.have.length(12);
    expect(harness.logs.join('')).to.contain('postings could not be read').and.to.contain(ids[0]);
    expect(await harness.registry.metrics()).to.match(/damaged_postings_total [1-9]/);
    expect((await ranking(tenantId)).every(({ documentId }) => documentId === ids[1])).to.equal(true);
    const keeper = createIndexKeeper(harness.deps, { intervalMs: 1, minParts: 1, maxAgeMs: 0, vectorIndex, reembed });
    await keeper.pass();
    await keeper.pass();
    expect(await ranking(tenantId)).to.deep.equal(before);
  });

  for (const [what, damage] of [
    ['a flipped bit', `postings = set_byte(postings, 2, get_byte(postings, 2) # 4)`],
    ['a segment cut short', `postings = substring(postings from 1 for octet_length(postings) - 1)`],
    [
      'a segment of another term',
      `postings = (select o.postings from retrieval.keyword_segment o
       where o.tenant_id = s.tenant_id and o.term <> s.term limit 1)`,
    ],
  ] as const) {
    it(`answers when segments are damaged (${what}), and makes them anew`, async () => {
      const tenantId = await busyTenant();
      await mergeAll(harness, tenantId);
      const before = await ranking(tenantId);
      await rows(`update retrieval.keyword_segment s set ${damage} where tenant_id = $1`, tenantId);
      const { hits } = await harness.client.search({ query: 'pain carditis', topK: 100 }, as(tenantId));
      expect(hits).to.have.length(36);
      expect(await ranking(tenantId)).not.to.deep.equal(before);
      const keeper = createIndexKeeper(harness.deps, { intervalMs: 1, minParts: 1, maxAgeMs: 0, vectorIndex, reembed });
      await keeper.pass();
      expect(await ranking(tenantId)).to.deep.equal(before);
    });
  }

  it('finds damage itself when it has to change a segment', async () => {
    const tenantId = await busyTenant();
    const before = await ranking(tenantId);
    await rows(`update retrieval.keyword_segment set postings = '\\x01' where tenant_id = $1`, tenantId);
    await mergeAll(harness, tenantId);
    expect(await ranking(tenantId)).to.deep.equal(before);
  });

  it('leaves few and young parts for later, and merges those that have waited', async () => {
    const tenantId = uuidv7();
    await write(tenantId);
    const unmerged = async () =>
      (await rows('select 1 from retrieval.keyword_document where tenant_id = $1 and not merged', tenantId)).length;
    const keep = (minParts: number, maxAgeMs: number) =>
      createIndexKeeper(harness.deps, { intervalMs: 1, minParts, maxAgeMs, vectorIndex, reembed }).pass();
    await keep(2, 60_000);
    expect(await unmerged()).to.equal(1);
    await keep(2, -60_000);
    expect(await unmerged()).to.equal(0);
    await write(tenantId);
    await write(tenantId);
    await keep(2, 60_000);
    expect(await unmerged()).to.equal(0);
  });

  it('merges the other tenants when one cannot be, says which, and tries it again with the next pass', async () => {
    const [one, two] = [uuidv7(), uuidv7()];
    await write(one);
    await write(two);
    const isUnmerged = async (tenantId: string): Promise<boolean> =>
      (await rows('select 1 from retrieval.keyword_document where tenant_id = $1 and not merged', tenantId)).length > 0;
    const failing: Deps['database'] = {
      ...harness.database,
      inTenant: (tenantId, work, options) =>
        tenantId === one
          ? Promise.reject(new Error('a statement was refused'))
          : harness.database.inTenant(tenantId, work, options),
    };
    const options = { minParts: 1, maxAgeMs: 60_000 };
    const { signal } = new AbortController();
    harness.logs.length = 0;
    expect(await mergePass({ ...harness.deps, database: failing }, options, signal)).to.be.greaterThan(0);
    expect([await isUnmerged(one), await isUnmerged(two)]).to.deep.equal([true, false]);
    expect(harness.logs.filter((line) => line.includes('could not be merged') && line.includes(one))).to.have.length(1);
    expect(await harness.registry.metrics()).to.contain('wardstone_retrieval_merge_failures_total 1');
    await mergePass(harness.deps, options, signal);
    expect(await isUnmerged(one)).to.equal(false);
  });

  it('makes no further pass when it is told to stop, in a pass and between two', async () => {
    /** A keeper whose passes are counted, each when it asks for tenants, and held there when told. */
    const counted = (held?: Promise<void>) => {
      const passes = { begun: 0 };
      const database: Deps['database'] = {
        ...harness.database,
        inPlatform: async (work) => {
          passes.begun += 1;
          await held;
          return harness.database.inPlatform(work);
        },
      };
      const options = { intervalMs: 1, minParts: 1, maxAgeMs: 0, vectorIndex, reembed };
      return { passes, keeper: createIndexKeeper({ ...harness.deps, database }, options) };
    };
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const [within, between, other] = [counted(held), counted(), counted()];
    within.keeper.start();
    // Both lines of passes, each of which has asked once.
    await eventually(() => within.passes.begun === 2, { description: 'a pass is on its way' });
    const closed = within.keeper.close();
    release();
    await closed;
    between.keeper.start();
    await between.keeper.close();
    const begun = within.passes.begun;
    other.keeper.start();
    await eventually(() => other.passes.begun > 3 * begun, { description: 'a third keeper makes passes meanwhile' });
    await other.keeper.close();
    expect([within.passes.begun, between.passes.begun]).to.deep.equal([begun, 0]);
  });
});
