import { asPrincipal } from '@wardstone/rpc';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { bm25 } from '../src/domain/bm25.ts';
import { clinician, type Harness, as, openHarness, seededVector } from './support/harness.ts';
import { keywordRanking, mergeAll } from './support/keyword-ranking.ts';
import { clearText, type ClearChunk, plainBm25, seededRandom } from './support/plain-bm25.ts';

/** A tenant's documents, kept in clear beside the index. */
interface Corpus {
  readonly tenantId: string;
  readonly documents: Map<string, readonly ClearChunk[]>;
}

describe('keyword search: exactness over blind terms', () => {
  let harness: Harness;
  let random: () => number;
  before(async () => {
    harness = await openHarness();
  });
  beforeEach(() => {
    random = seededRandom(11);
  });
  afterEach(() => {
    harness.useKeyVersion(1);
  });
  after(() => harness.close());

  async function write(corpus: Corpus, count: number, documentId: string = uuidv7(), version = 1): Promise<string> {
    const texts = Array.from({ length: count }, () => clearText(random, 5 + Math.floor(random() * 120)));
    const chunks = texts.map((text, at) => ({ text, vector: seededVector(at) }));
    await harness.index({ tenantId: corpus.tenantId, documentId, version, title: 'pain', chunks });
    corpus.documents.set(
      documentId,
      texts.map((text, ordinal) => ({ documentId, ordinal, text: text.startsWith('pain') ? text : `pain\n${text}` })),
    );
    return documentId;
  }

  async function remove(corpus: Corpus, documentId: string): Promise<void> {
    await harness.client.removeDocument({ documentId }, asPrincipal(clinician(corpus.tenantId)));
    corpus.documents.delete(documentId);
  }

  async function isExact({ tenantId, documents }: Corpus, questions = 25): Promise<void> {
    const chunks = [...documents.values()].flat();
    for (let number = 0; number < questions; number += 1) {
      const question = clearText(random, 1 + Math.floor(random() * 8));
      const expected = plainBm25(chunks, question, bm25);
      const { hits, damage } = await keywordRanking(harness, tenantId, question, { limit: 40 });
      expect(damage.documentIds).to.deep.equal([]);
      const short = (id: string, ordinal: number): string => `${id}/${String(ordinal)}`;
      expect(
        hits.map(({ documentId, ordinal }) => short(documentId, ordinal)),
        question,
      ).to.deep.equal(expected.slice(0, 40).map(({ documentId, ordinal }) => short(documentId, ordinal)));
      for (const [at, { keywordScore }] of hits.entries()) {
        expect(keywordScore).to.be.closeTo(expected[at]?.score ?? 0, 1e-9);
      }
    }
  }

  async function countOf(table: string, tenantId: string, condition = 'true'): Promise<number> {
    const [row] = await harness.testDatabase.query(
      `select count(*)::int as n from retrieval.${table} where tenant_id = $1 and ${condition}`,
      [tenantId],
    );
    return Number(row?.['n']);
  }

  it('ranks as plain BM25 over clear words does: unmerged, merged, with dead parts, and after they are dropped', async () => {
    const corpus: Corpus = { tenantId: uuidv7(), documents: new Map() };
    const ids: string[] = [];
    for (let number = 0; number < 30; number += 1) ids.push(await write(corpus, 1 + Math.floor(random() * 12)));
    await isExact(corpus);

    expect(await mergeAll(harness, corpus.tenantId)).to.deep.equal({ merged: 30, dropped: 0 });
    expect(await countOf('keyword_segment', corpus.tenantId)).to.be.greaterThan(100);
    await isExact(corpus);

    // Merged parts are replaced and removed, and others come: segments, dead parts and a tail at the same time.
    for (const id of ids.slice(0, 6)) await write(corpus, 5, id, 2);
    for (const id of ids.slice(6, 10)) await remove(corpus, id);
    for (let number = 0; number < 5; number += 1) await write(corpus, 4);
    expect(await countOf('keyword_dead', corpus.tenantId)).to.equal(10);
    expect(await countOf('keyword_document', corpus.tenantId, 'not merged')).to.equal(11);
    await isExact(corpus);

    expect(await mergeAll(harness, corpus.tenantId)).to.deep.equal({ merged: 11, dropped: 10 });
    expect(await countOf('keyword_dead', corpus.tenantId)).to.equal(0);
    await isExact(corpus);

    for (const id of [...corpus.documents.keys()]) await remove(corpus, id);
    await mergeAll(harness, corpus.tenantId);
    for (const table of ['keyword_segment', 'keyword_total', 'keyword_document', 'keyword_dead']) {
      expect(await countOf(table, corpus.tenantId), table).to.equal(0);
    }
  });

  it('ranks the same over two key versions, in segments and in the tail', async () => {
    const corpus: Corpus = { tenantId: uuidv7(), documents: new Map() };
    const ids: string[] = [];
    for (let number = 0; number < 12; number += 1) ids.push(await write(corpus, 6));
    await mergeAll(harness, corpus.tenantId);
    for (let number = 0; number < 4; number += 1) await write(corpus, 6);
    harness.useKeyVersion(2);
    for (const id of ids.slice(0, 4)) await write(corpus, 6, id, 2);
    await isExact(corpus);
    await mergeAll(harness, corpus.tenantId);
    for (let number = 0; number < 4; number += 1) await write(corpus, 6);
    expect(await countOf('keyword_segment', corpus.tenantId, 'terms_key_version = 1')).to.be.greaterThan(0);
    expect(await countOf('keyword_segment', corpus.tenantId, 'terms_key_version = 2')).to.be.greaterThan(0);
    await isExact(corpus);
  });

  it('ranks the same for a document of several parts, and for segments that were filled', async () => {
    const corpus: Corpus = { tenantId: uuidv7(), documents: new Map() };
    await write(corpus, 1_100);
    expect(await countOf('keyword_document', corpus.tenantId)).to.equal(3);
    await isExact(corpus, 4);
    await mergeAll(harness, corpus.tenantId);
    const filled = await countOf('keyword_segment', corpus.tenantId, 'segment = 0');
    for (let number = 0; number < 3; number += 1) await write(corpus, 1_000);
    await mergeAll(harness, corpus.tenantId);
    expect(filled).to.be.greaterThan(100);
    expect(await countOf('keyword_segment', corpus.tenantId, 'segment > 0')).to.be.greaterThan(0);
    await isExact(corpus, 4);
  }).timeout(120_000);

  it('tells BM25 of every hit of a search, and the same as plain BM25 does', async () => {
    const corpus: Corpus = { tenantId: uuidv7(), documents: new Map() };
    for (let number = 0; number < 8; number += 1) await write(corpus, 10);
    await mergeAll(harness, corpus.tenantId);
    for (let number = 0; number < 2; number += 1) await write(corpus, 10);
    const question = 'metformin 500mg carditis neuralgia';
    const expected = new Map(
      plainBm25([...corpus.documents.values()].flat(), question, bm25).map(({ documentId, ordinal, score }) => [
        `${documentId}/${String(ordinal * 100)}`,
        score,
      ]),
    );
    const { hits } = await harness.client.search({ query: question, topK: 100 }, as(corpus.tenantId));
    expect(hits).to.have.length(100);
    expect(expected.size).to.be.within(5, 95);
    for (const { documentId, span, keywordScore } of hits) {
      expect(keywordScore).to.be.closeTo(expected.get(`${documentId}/${String(span?.charStart)}`) ?? 0, 1e-9);
    }
  });

  it('looks in the documents named, and counts words as they stand in all', async () => {
    const corpus: Corpus = { tenantId: uuidv7(), documents: new Map() };
    const ids: string[] = [];
    for (let number = 0; number < 10; number += 1) ids.push(await write(corpus, 6));
    await mergeAll(harness, corpus.tenantId);
    const named = ids.slice(3, 5);
    const question = 'pain carditis hepatosis';
    const expected = plainBm25([...corpus.documents.values()].flat(), question, bm25).filter(({ documentId }) =>
      named.includes(documentId),
    );
    const { hits } = await keywordRanking(harness, corpus.tenantId, question, { documentIds: named });
    expect(hits.map(({ documentId, ordinal }) => [documentId, ordinal])).to.deep.equal(
      expected.map(({ documentId, ordinal }) => [documentId, ordinal]),
    );
  });

  it('finds nothing of another tenant, whose words are other terms', async () => {
    const [one, two] = [uuidv7(), uuidv7()].map((tenantId): Corpus => ({ tenantId, documents: new Map() }));
    if (one === undefined || two === undefined) throw new Error('two tenants are needed');
    random = seededRandom(5);
    await write(one, 10);
    random = seededRandom(5);
    await write(two, 10);
    const termsOfTenant = async (tenantId: string): Promise<unknown[]> => {
      await mergeAll(harness, tenantId);
      const rows = await harness.testDatabase.query('select term from retrieval.keyword_segment where tenant_id = $1', [
        tenantId,
      ]);
      return rows.map((row) => row['term']);
    };
    const [ours, theirs] = [await termsOfTenant(one.tenantId), await termsOfTenant(two.tenantId)];
    expect(ours.length).to.equal(theirs.length).and.to.be.greaterThan(50);
    expect(ours.filter((term) => theirs.includes(term))).to.deep.equal([]);
    const { hits } = await keywordRanking(harness, one.tenantId, 'pain', { documentIds: [...two.documents.keys()] });
    expect(hits).to.deep.equal([]);
  });

  it('reads the rarest words of a question that has very many', async () => {
    const corpus: Corpus = { tenantId: uuidv7(), documents: new Map() };
    for (let number = 0; number < 10; number += 1) await write(corpus, 10);
    await mergeAll(harness, corpus.tenantId);
    const question = [...corpus.documents.values()]
      .flat()
      .map(({ text }) => text)
      .join(' ')
      .slice(0, 3_900);
    const { hits } = await harness.client.search({ query: question, topK: 100 }, as(corpus.tenantId));
    expect(hits).to.have.length(100);
    expect(hits.filter(({ keywordScore }) => keywordScore > 0).length).to.be.greaterThan(50);
  });
});
