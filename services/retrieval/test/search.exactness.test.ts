import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { currentSpace } from '../src/adapters/tenant-space.ts';
import { as, type Harness, modelId, openHarness, reasonOf, seededVector } from './support/harness.ts';

/** As halfvec keeps it: eleven significant bits. */
function half(value: number): number {
  if (value === 0) return 0;
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value)))) - 10);
  return Math.round(value / step) * step;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (const [index, value] of a.entries()) {
    const [x, y] = [half(value), half(b[index] ?? 0)];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

describe('search: exactness', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());

  it('ranks as brute force does, among many tenants, and never returns fewer than exist', async () => {
    const tenants = Array.from({ length: 12 }, () => uuidv7());
    const vectors = new Map<string, Float32Array>();
    for (const [at, tenantId] of tenants.entries()) {
      for (let document = 0; document < 3; document += 1) {
        const chunks = Array.from({ length: 10 }, (_, ordinal) => ({
          text: `${tenantId} ${String(document)} ${String(ordinal)}`,
          vector: seededVector(at * 1_000 + document * 100 + ordinal),
        }));
        for (const { text, vector } of chunks) vectors.set(text, vector);
        await harness.index({ tenantId, chunks });
      }
    }
    for (const [at, tenantId] of tenants.entries()) {
      harness.question.vector = seededVector(900_000 + at);
      // As the database has them, so that the two round alike.
      const { enter } = await currentSpace(harness.deps.keys, tenantId);
      const question = enter(harness.question.vector);
      const expected = [...vectors]
        .filter(([text]) => text.startsWith(tenantId))
        .map(([text, vector]) => ({ text, score: cosine(enter(vector), question) }))
        .sort((a, b) => b.score - a.score);
      for (const topK of [1, 10, 100]) {
        const { hits } = await harness.client.search({ query: 'anything', topK }, as(tenantId));
        expect(hits).to.have.length(Math.min(topK, 30));
        expect(hits.map(({ text }) => text)).to.deep.equal(expected.slice(0, topK).map(({ text }) => text));
        for (const [rank, { score }] of hits.entries()) expect(score).to.be.closeTo(expected[rank]?.score ?? 9, 1e-5);
      }
    }
  });

  it('gives eight unless told', async () => {
    const tenantId = uuidv7();
    await harness.index({ tenantId, chunks: many(20) });
    expect((await harness.client.search({ query: 'x' }, as(tenantId))).hits).to.have.length(8);
  });

  it('orders equal scores by document and position, every time', async () => {
    const tenantId = uuidv7();
    const vector = seededVector(7);
    // More than are fetched to spare, so that it is the scan that has to cut them off in the right place.
    const same = Array.from({ length: 20 }, (_, at) => ({ text: `equal ${String(at)}`, vector }));
    const ids = [uuidv7(), uuidv7()];
    for (const documentId of ids.toReversed()) await harness.index({ tenantId, documentId, chunks: same });
    const expected = ids.flatMap((id) => same.map(({ text }) => `${id} ${text}`));
    for (const topK of [3, 25, 100]) {
      const { hits } = await harness.client.search({ query: 'x', topK }, as(tenantId));
      expect(hits.map(({ documentId, text }) => `${documentId} ${text}`)).to.deep.equal(expected.slice(0, topK));
    }
  });

  it('searches the documents named, and none of another tenant whoever names it', async () => {
    const [tenantId, other] = [uuidv7(), uuidv7()];
    const first = await harness.index({ tenantId, chunks: many(3) });
    await harness.index({ tenantId, chunks: many(3) });
    const foreign = await harness.index({ tenantId: other, chunks: many(3) });
    const ask = async (documentIds: string[]) =>
      (await harness.client.search({ query: 'x', topK: 100, documentIds }, as(tenantId))).hits;
    expect(await ask([])).to.have.length(6);
    expect(new Set((await ask([first.documentId.toUpperCase()])).map((hit) => hit.documentId))).to.deep.equal(
      new Set([first.documentId]),
    );
    expect(await ask([foreign.documentId])).to.deep.equal([]);
    expect(await ask([uuidv7()])).to.deep.equal([]);
  });

  it('compares vectors of one model only', async () => {
    const tenantId = uuidv7();
    const wanted = await harness.index({ tenantId, chunks: many(2) });
    harness.models.unserved.add(modelId);
    await harness.index({ tenantId, chunks: many(3), modelId: 'another-model' });
    harness.models.unserved.clear();
    const { hits } = await harness.client.search({ query: 'x', topK: 100 }, as(tenantId));
    expect(hits.map(({ documentId }) => documentId)).to.deep.equal([wanted.documentId, wanted.documentId]);
    await harness.testDatabase.query(
      `update retrieval.tenant_model set model_id = 'another-model' where tenant_id = $1`,
      [tenantId],
    );
    expect((await harness.client.search({ query: 'x', topK: 100 }, as(tenantId))).hits).to.have.length(3);
    expect(harness.events.at(-1)?.attributes).to.include({ model: 'another-model' });
  });

  it('tells title, page, span and page breaks', async () => {
    const tenantId = uuidv7();
    const job = await harness.index({ tenantId, title: 'Discharge letter', version: 3, chunks: many(2) });
    const { hits } = await harness.client.search({ query: 'x' }, as(tenantId));
    const second = hits.find(({ text }) => text === 'text 1');
    expect(second).to.deep.include({ documentId: job.documentId, version: 3, documentTitle: 'Discharge letter' });
    expect(second?.span).to.deep.include({ pageStart: 1, pageEnd: 2, charStart: 100, charEnd: 106 });
    expect(second?.pageBreaks.map(({ page, chunkOffset }) => [page, chunkOffset])).to.deep.equal([
      [1, 0],
      [2, 3],
    ]);
    expect(new Set(hits.map(({ chunkId }) => chunkId)).size).to.equal(2);
  });

  for (const [what, request] of [
    ['an empty question', { query: '' }],
    ['a question that is too long', { query: 'x'.repeat(4_001) }],
    ['more than 100 chunks', { query: 'x', topK: 101 }],
    ['a negative number of chunks', { query: 'x', topK: -1 }],
    ['a document id that is none', { query: 'x', documentIds: ["'; drop table chunk; --"] }],
    ['more than 100 documents', { query: 'x', documentIds: Array.from({ length: 101 }, () => uuidv7()) }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const message = { ...request, documentIds: 'documentIds' in request ? [...request.documentIds] : [] };
      expect(await reasonOf(harness.client.search(message, as(uuidv7())))).to.equal('INVALID_ARGUMENT');
    });
  }

  it('takes the longest question', async () => {
    const { hits } = await harness.client.search({ query: 'x'.repeat(4_000), topK: 100 }, as(uuidv7()));
    expect(hits).to.deep.equal([]);
  });
});

function many(count: number) {
  return Array.from({ length: count }, (_, at) => ({ text: `text ${String(at)}`, vector: seededVector(at + 1) }));
}
