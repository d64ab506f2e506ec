import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { createFillIn } from '../src/jobs/fill-in-keywords.ts';
import { purgeTenant } from '../src/tenant-work/purge-tenant.ts';
import { olderDocuments, olderRows, resealDocument } from '../src/tenant-work/reseal-document.ts';
import { as, type Harness, openHarness, reasonOf, seededVector } from './support/harness.ts';
import { keywordRanking, mergeAll } from './support/keyword-ranking.ts';
import { clearText, seededRandom } from './support/plain-bm25.ts';

describe('re-sealing and the end of a tenant', () => {
  let harness: Harness;
  let tenantId: string;
  let random: () => number;
  before(async () => {
    harness = await openHarness();
  });
  beforeEach(() => {
    tenantId = uuidv7();
    random = seededRandom(7);
  });
  afterEach(() => {
    harness.useKeyVersion(1);
    harness.faults.keys = false;
  });
  after(() => harness.close());

  async function write(count = 70): Promise<string> {
    const chunks = Array.from({ length: count }, (_, at) => ({
      text: `${clearText(random, 30)} number ${String(at)}`,
      vector: seededVector(at + Math.floor(random() * 1e6)),
    }));
    const told = { labels: ['letter', 'Müller'], metadata: { ward: '4 West' } };
    return (await harness.index({ tenantId, title: 'Letter', ...told, chunks })).documentId;
  }
  const reseal = (documentId: string) => resealDocument(harness.deps, { tenantId, documentId });
  const found = async (filters: { field: string; value: string }[] = []) => {
    harness.question.vector = seededVector(424_242);
    const query = 'pain carditis hepatosis 500mg';
    const { hits, unreadableChunks } = await harness.client.search({ query, topK: 100, filters }, as(tenantId));
    expect(unreadableChunks).to.equal(0);
    return hits.map(({ chunkId, text, keywordScore, labels }) => ({ chunkId, text, keywordScore, labels }));
  };
  const versions = async () => {
    const columns: readonly (readonly [string, string])[] = [
      ['chunk', 'content_key_version'],
      ['chunk_vector', 'vector_key_version'],
      ['chunk_bits', 'vector_key_version'],
      ['indexed_document', 'content_key_version'],
      ['indexed_document', 'terms_key_version'],
      ['keyword_document', 'terms_key_version'],
      ['document_filter', 'terms_key_version'],
      ['keyword_segment', 'terms_key_version'],
      ['keyword_total', 'terms_key_version'],
      ['keyword_dead', 'terms_key_version'],
    ];
    const seen = new Set<number>();
    for (const [table, column] of columns) {
      const rows = await harness.testDatabase.query(
        `select distinct ${column} as version from retrieval.${table} where tenant_id = $1`,
        [tenantId],
      );
      for (const row of rows) seen.add(Number(row['version']));
    }
    const kids = await harness.testDatabase.query(
      `select distinct substring(convert_from(decode(translate(rpad(split_part(s, '.', 1),
           4 * ceil(length(split_part(s, '.', 1)) / 4.0)::int, '='), '-_', '+/'), 'base64'), 'utf8') from '/([0-9]+)"') as kid
       from (select passage_sealed as s from retrieval.chunk where tenant_id = $1
             union all select title_sealed from retrieval.indexed_document where tenant_id = $1
             union all select labels_sealed from retrieval.indexed_document where tenant_id = $1) sealed`,
      [tenantId],
    );
    return { columns: [...seen].sort(), kids: kids.map((row) => Number(row['kid'])).sort() };
  };

  it('moves everything of a document to the current keys, once, and changes no answer', async () => {
    const ids = [await write(), await write(3)];
    await mergeAll(harness, tenantId);
    const before = await found();
    expect(await olderRows(harness.deps, tenantId)).to.deep.equal({ documents: 0, deadParts: 0, lostVectors: 0 });

    harness.useKeyVersion(2);
    expect(await olderRows(harness.deps, tenantId)).to.deep.equal({ documents: 2, deadParts: 0, lostVectors: 0 });
    const [first = ''] = await olderDocuments(harness.deps, tenantId, 1);
    expect(await olderDocuments(harness.deps, tenantId, 5)).to.deep.equal([...ids].sort());
    expect(first).to.equal([...ids].sort()[0]);
    expect(await reseal(first)).to.deep.equal({ chunks: first === ids[0] ? 70 : 3, keywords: true, unreadable: 0 });
    expect(await found()).to.deep.equal(before);
    for (const id of ids) await reseal(id);
    expect(await found()).to.deep.equal(before);
    expect((await olderRows(harness.deps, tenantId)).documents).to.equal(0);
    expect((await olderRows(harness.deps, tenantId)).deadParts).to.equal(2);
    await mergeAll(harness, tenantId);
    expect(await olderRows(harness.deps, tenantId)).to.deep.equal({ documents: 0, deadParts: 0, lostVectors: 0 });
    expect(await found()).to.deep.equal(before);
    expect(await found([{ field: 'label', value: 'Müller' }])).to.have.length(73);
    expect(await versions()).to.deep.equal({ columns: [2], kids: [2] });
    expect(await reseal(first)).to.deep.equal({ chunks: 0, keywords: false, unreadable: 0 });
  });

  it('moves vectors from before there was a key into the space of the current one', async () => {
    const vector = seededVector(99);
    const { documentId } = await harness.index({ tenantId, chunks: [{ text: 'x', vector }] });
    const stored = async () => {
      const [row] = await harness.testDatabase.query(
        `select c.embedding::text as vector, (b.bits = binary_quantize(c.embedding)::bit(1024)) as same_bits
         from retrieval.chunk_vector c join retrieval.chunk_bits b using (tenant_id, document_id, version, ordinal, model_id)
         where c.document_id = $1`,
        [documentId],
      );
      expect(row?.['same_bits']).to.equal(true);
      return JSON.parse(String(row?.['vector'])) as number[];
    };
    const inSpace = await stored();
    await harness.testDatabase.query(
      `with old as (update retrieval.chunk_vector set vector_key_version = 0, embedding = $2::halfvec where document_id = $1)
       update retrieval.chunk_bits set vector_key_version = 0, bits = 0::bit(1024) where document_id = $1`,
      [documentId, JSON.stringify([...vector])],
    );
    expect((await olderRows(harness.deps, tenantId)).documents).to.equal(1);
    await reseal(documentId);
    expect((await versions()).columns).to.deep.equal([1]);
    for (const [at, value] of (await stored()).entries()) expect(value).to.be.closeTo(inSpace[at] ?? 9, 2e-4);
  });

  it('leaves a document as it was when it is cut off, and does nothing for one that is gone', async () => {
    const id = await write();
    const before = await found();
    harness.useKeyVersion(2);
    let sealed = 0;
    const keys = {
      ...harness.deps.keys,
      current: async (...of: Parameters<typeof harness.deps.keys.current>) => {
        sealed += 1;
        if (sealed > 60) await harness.testDatabase.terminateConnections();
        return harness.deps.keys.current(...of);
      },
    };
    const cutOff = resealDocument({ ...harness.deps, keys }, { tenantId, documentId: id });
    expect(await reasonOf(cutOff)).to.equal('DATABASE_UNAVAILABLE');
    expect((await versions()).columns).to.deep.equal([1]);
    expect(await found()).to.deep.equal(before);
    expect(await reseal(uuidv7())).to.deep.equal({ chunks: 0, keywords: false, unreadable: 0 });
    harness.faults.keys = true;
    expect(await reasonOf(reseal(id))).to.equal('KEY_UNAVAILABLE');
  });

  it('does not stop at a chunk that does not open', async () => {
    const id = await write(4);
    await harness.testDatabase.query(
      `update retrieval.chunk set passage_sealed = passage_sealed || 'x' where document_id = $1 and ordinal = 1`,
      [id],
    );
    harness.useKeyVersion(2);
    expect(await reseal(id)).to.deep.equal({ chunks: 4, keywords: true, unreadable: 1 });
    expect((await olderRows(harness.deps, tenantId)).documents).to.equal(0);
    const { hits, unreadableChunks } = await harness.client.search({ query: 'number', topK: 100 }, as(tenantId));
    expect([hits.length, unreadableChunks]).to.deep.equal([3, 1]);
  });

  it('shows searches each chunk exactly once while documents are re-sealed and merged', async () => {
    const ids = [];
    for (let number = 0; number < 8; number += 1) ids.push(await write(10));
    const before = (await found()).map(({ chunkId }) => chunkId).sort();
    expect(before).to.have.length(80);
    harness.useKeyVersion(2);
    let moving = true;
    let searches = 0;
    const reader = (async () => {
      while (moving || searches < 3) {
        const hits = await found();
        expect(hits.map(({ chunkId }) => chunkId).sort()).to.deep.equal(before);
        searches += 1;
      }
    })();
    for (const id of ids) {
      await reseal(id);
      await mergeAll(harness, tenantId);
    }
    moving = false;
    await reader;
    expect((await versions()).columns).to.deep.equal([2]);
  }).timeout(60_000);

  it('brings old documents into the keyword index in the background, and goes on past one that it cannot help', async () => {
    const ids = [await write(3), await write(3)];
    const before = (await keywordRanking(harness, tenantId, 'pain carditis')).hits;
    for (const table of ['keyword_document', 'document_filter']) {
      await harness.testDatabase.query(`delete from retrieval.${table} where tenant_id = $1`, [tenantId]);
    }
    await harness.testDatabase.query(
      'update retrieval.indexed_document set terms_key_version = null where tenant_id = $1',
      [tenantId],
    );
    // Without keyword rows they are found by their vectors.
    expect(await found()).to.have.length(6);
    expect((await keywordRanking(harness, tenantId, 'pain carditis')).hits).to.deep.equal([]);
    expect(await olderDocuments(harness.deps, tenantId, 5)).to.deep.equal(ids);

    harness.faults.keys = true;
    expect(await createFillIn(harness.deps).pass(new AbortController().signal)).to.equal(0);
    harness.faults.keys = false;
    harness.events.length = 0;
    expect(await createFillIn(harness.deps).pass(new AbortController().signal)).to.equal(2);
    expect((await keywordRanking(harness, tenantId, 'pain carditis')).hits).to.deep.equal(before);
    expect(harness.events.map(({ action, attributes }) => [action, attributes?.['stage']])).to.deep.equal([
      ['document.process', 'keywords'],
      ['document.process', 'keywords'],
    ]);
    expect(await found([{ field: 'metadata.ward', value: '4 West' }])).to.have.length(6);
  });

  it('purges every row of a tenant, again after it was cut off, and none of another', async () => {
    await write(20);
    await mergeAll(harness, tenantId);
    await write(20);
    const [purged, other] = [tenantId, uuidv7()];
    await harness.index({ tenantId: other, chunks: [{ text: 'kept', vector: seededVector(1) }] });
    await harness.client.removeDocument({ documentId: uuidv7() }, as(purged));

    const [signal, maxMs] = [AbortSignal.abort(), 60_000];
    expect(await reasonOf(purgeTenant(harness.deps, { tenantId: purged, signal, maxMs }))).to.equal('CANCELLED');
    const { rows: counts, isEmpty } = await purgeTenant(harness.deps, { tenantId: purged, maxMs });
    expect(isEmpty).to.equal(true);
    expect(counts).to.deep.include({
      chunk: 40,
      chunk_vector: 40,
      chunk_bits: 40,
      tenant_model: 1,
      indexed_document: 2,
      keyword_document: 2,
    });
    expect(counts).to.deep.include({ removed_document: 1, document_filter: 6, keyword_total: 1, keyword_dead: 0 });
    expect(counts.keyword_segment).to.be.greaterThan(50);
    const { rows: again } = await purgeTenant(harness.deps, { tenantId: purged, maxMs });
    expect(Object.values(again).every((count) => count === 0)).to.equal(true);
    const tables = await harness.testDatabase.query(
      `select c.table_name as name from information_schema.columns c
       where c.table_schema = 'retrieval' and c.column_name = 'tenant_id'`,
    );
    expect(tables.map((row) => String(row['name'])).sort()).to.deep.equal(Object.keys(counts).sort());
    for (const { name } of tables) {
      const left = await harness.testDatabase.query(`select 1 from retrieval.${String(name)} where tenant_id = $1`, [
        purged,
      ]);
      expect(left, String(name)).to.deep.equal([]);
    }
    expect((await harness.client.search({ query: 'kept' }, as(other))).hits).to.have.length(1);
  });
});
