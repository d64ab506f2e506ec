import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { as, type Harness, openHarness, seededVector } from './support/harness.ts';

describe('search: the tenant’s space', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  afterEach(() => {
    harness.useKeyVersion(1);
  });
  after(() => harness.close());

  const chunk = (text: string, seed: number) => ({ text, vector: seededVector(seed) });

  async function stored(documentId: string): Promise<{ version: number; values: number[] }[]> {
    const rows = await harness.testDatabase.query(
      `select vector_key_version as version, embedding::text as values from retrieval.chunk_vector where document_id = $1
       order by ordinal`,
      [documentId],
    );
    return rows.map((row) => ({
      version: Number(row['version']),
      values: JSON.parse(String(row['values'])) as number[],
    }));
  }

  it('keeps no vector as the model made it, and another one in each tenant', async () => {
    const vector = seededVector(1);
    const kept = await Promise.all(
      [uuidv7(), uuidv7()].map(async (tenantId) => {
        const { documentId } = await harness.index({ tenantId, chunks: [{ text: 'x', vector }] });
        const [row] = await stored(documentId);
        return row?.values ?? [];
      }),
    );
    const similarity = (a: readonly number[], b: ArrayLike<number>): number =>
      a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
    const [first = [], second = []] = kept;
    expect(similarity(first, first)).to.be.closeTo(1, 1e-2);
    for (const other of [vector, second]) expect(Math.abs(similarity(first, other))).to.be.below(0.25);
  });

  it('finds what was written under an earlier key, under the current one, and before there was any, in one order', async () => {
    const tenantId = uuidv7();
    const question = seededVector(50);
    const mixed = (share: number, seed: number): Float32Array => {
      const noise = seededVector(seed);
      const sum = question.map((value, at) => share * value + (1 - share) * (noise[at] ?? 0));
      const length = Math.hypot(...sum);
      return sum.map((value) => value / length);
    };
    const write = async (text: string, share: number, seed: number) =>
      harness.index({ tenantId, chunks: [{ text, vector: mixed(share, seed) }] });
    const clear = await write('before', 0.6, 61);
    await harness.testDatabase.query(
      'update retrieval.chunk_vector set vector_key_version = 0, embedding = $2 where document_id = $1',
      [clear.documentId, JSON.stringify([...mixed(0.6, 61)])],
    );
    await write('earlier, nearest', 0.9, 62);
    await write('earlier, farthest', 0.2, 63);
    harness.useKeyVersion(2);
    const { documentId } = await write('current', 0.75, 64);
    expect((await stored(documentId)).map(({ version }) => version)).to.deep.equal([2]);

    harness.question.vector = question;
    const { hits } = await harness.client.search({ query: 'x', topK: 10 }, as(tenantId));
    expect(hits.map(({ text }) => text)).to.deep.equal(['earlier, nearest', 'current', 'before', 'earlier, farthest']);
    const best = await harness.client.search({ query: 'x', topK: 1 }, as(tenantId));
    expect(best.hits.map(({ text }) => text)).to.deep.equal(['earlier, nearest']);
  });

  it('moves a document to the current space when it is indexed again', async () => {
    const tenantId = uuidv7();
    const document = { tenantId, documentId: uuidv7(), chunks: [chunk('a', 70), chunk('b', 71)] };
    await harness.index(document);
    harness.useKeyVersion(2);
    await harness.index(document);
    expect((await stored(document.documentId)).map(({ version }) => version)).to.deep.equal([2, 2]);
  });
});
