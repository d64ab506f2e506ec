import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { indexJob } from '../src/jobs/index-document.ts';
import { tenantWorkHandlers } from '../src/tenant-work/handlers.ts';
import { mergeAll } from './support/keyword-ranking.ts';
import { as, openHarness, reasonOf, running, seededVector, type Harness } from './support/harness.ts';

const documents = 25;
const { signal } = running;
const settledAt = new Date();

describe('work with a tenant’s index', () => {
  let harness: Harness;
  let tenantId: string;
  before(async function () {
    this.timeout(60_000);
    harness = await openHarness();
  });
  after(() => harness.close());
  beforeEach(() => {
    tenantId = uuidv7();
    harness.useKeyVersion(1);
  });

  const chunksOf = (number: number) => [{ text: `Note ${String(number)} on carditis.`, vector: seededVector(number) }];
  const write = async (count: number): Promise<void> => {
    for (let number = 0; number < count; number += 1) await harness.index({ tenantId, chunks: chunksOf(number) });
  };

  it('seals again step by step, until nothing is left below the version', async function () {
    this.timeout(60_000);
    await write(documents);
    await mergeAll(harness, tenantId);
    harness.useKeyVersion(2);
    const handlers = tenantWorkHandlers(harness.deps);
    const step = async (): Promise<number[]> => {
      const { documentsDone, documentsLeft } = await handlers.reseal({ tenantId, keyVersion: 2, settledAt }, signal);
      return [documentsDone, documentsLeft];
    };
    expect(await step()).to.deep.equal([20, 6]);
    // What the old keyword rows left behind goes with the next merge; until then it is not over.
    expect(await step()).to.deep.equal([5, 1]);
    expect(await step()).to.deep.equal([0, 1]);
    await mergeAll(harness, tenantId);
    expect(await step()).to.deep.equal([0, 0]);
    const older = await harness.testDatabase.query(
      `select 1 from retrieval.chunk join retrieval.chunk_vector using (tenant_id, document_id, version, ordinal)
       where tenant_id = $1 and least(content_key_version, vector_key_version) < 2`,
      [tenantId],
    );
    expect(older).to.have.length(0);
    const { hits } = await harness.client.search({ query: 'carditis', topK: 100 }, as(tenantId));
    expect(hits).to.have.length(documents);
  });

  for (const fault of ['KEY_VERSION_RETIRED', 'KEY_VERSION_NOT_FOUND'] as const) {
    it(`leaves a vector behind whose version is lost (${fault}), moves the rest, and tells of it once, at the end`, async () => {
      await write(3);
      await mergeAll(harness, tenantId);
      const [first] = await harness.testDatabase.query(
        'select document_id as id from retrieval.chunk where tenant_id = $1 order by document_id limit 1',
        [tenantId],
      );
      const documentId = String(first?.['id']);
      const stored = async () => {
        const [row] = await harness.testDatabase.query(
          `select c.content_key_version as content, d.content_key_version as title, k.terms_key_version as terms,
                  v.vector_key_version as vector, b.vector_key_version as bits, v.embedding::text as embedding
           from retrieval.chunk c join retrieval.chunk_vector v using (tenant_id, document_id)
             join retrieval.chunk_bits b using (tenant_id, document_id)
             join retrieval.indexed_document d using (tenant_id, document_id)
             join retrieval.keyword_document k using (tenant_id, document_id)
           where c.document_id = $1`,
          [documentId],
        );
        return row;
      };
      await harness.testDatabase.query(
        `with moved as (update retrieval.chunk_vector set vector_key_version = 2 where document_id = $1)
         update retrieval.chunk_bits set vector_key_version = 2 where document_id = $1`,
        [documentId],
      );
      const before = await stored();
      harness.faults.versions.set(2, fault);
      harness.useKeyVersion(3);
      harness.logs.length = 0;
      const lostCount = async (): Promise<number> =>
        Number(/wardstone_retrieval_lost_vectors_total (\d+)/.exec(await harness.registry.metrics())?.[1]);
      const countBefore = await lostCount();
      try {
        const { reseal } = tenantWorkHandlers(harness.deps);
        const step = await reseal({ tenantId, keyVersion: 3, settledAt }, signal);
        // What the old keyword rows left behind is still there.
        expect([step.documentsDone, step.documentsLeft]).to.deep.equal([3, 1]);
        expect(await stored()).to.deep.equal({ ...before, content: 3, title: 3, terms: 3 });
        expect([await lostCount(), harness.logs.join('')]).to.deep.equal([countBefore, '']);

        await mergeAll(harness, tenantId);
        const last = await reseal({ tenantId, keyVersion: 3, settledAt }, signal);
        expect([last.documentsDone, last.documentsLeft]).to.deep.equal([0, 0]);
        expect(await lostCount()).to.equal(countBefore + 1);
        expect(harness.logs.filter((line) => line.includes('left behind') && line.includes(documentId))).to.have.length(
          1,
        );
        const { hits } = await harness.client.search({ query: 'carditis' }, as(tenantId));
        expect(hits).to.have.length(3);
      } finally {
        harness.faults.versions.clear();
      }
    });
  }

  it('says nothing is left only of the version that it was asked about', async () => {
    await write(1);
    // The key service still answers with the older version: a replica that lags behind.
    const step = tenantWorkHandlers(harness.deps).reseal({ tenantId, keyVersion: 2, settledAt }, signal);
    expect(await reasonOf(step)).to.equal('KEY_UNAVAILABLE');
  });

  for (const purpose of ['content', 'vectors', 'terms'] as const) {
    it(`lets no document be indexed under a version of ${purpose} that was replaced while it was at work`, async () => {
      const job = await harness.writeArtefacts({ tenantId, chunks: chunksOf(1) });
      let reports = 0;
      const report = (): void => {
        reports += 1;
        // The first report comes before a key is asked for, the second after the rows are written.
        if (reports === 2) harness.useKeyVersion(2, purpose);
      };
      const rotating = { ...harness.deps, progress: { report } };
      expect(await reasonOf(indexJob(rotating)(job, running))).to.equal('KEY_UNAVAILABLE');
      await indexJob(harness.deps)(job, running);
      const [row] = await harness.testDatabase.query(
        `select c.content_key_version as content, v.vector_key_version as vectors, k.terms_key_version as terms
         from retrieval.chunk c join retrieval.chunk_vector v using (tenant_id, document_id)
           join retrieval.keyword_document k using (tenant_id, document_id) where tenant_id = $1`,
        [tenantId],
      );
      expect(row).to.deep.equal({ content: 1, vectors: 1, terms: 1, [purpose]: 2 });
    });
  }

  it('removes everything of a tenant that left, and counts it', async () => {
    await write(3);
    const other = uuidv7();
    await harness.index({ tenantId: other, chunks: chunksOf(9) });
    const step = await tenantWorkHandlers(harness.deps).purge({ tenantId }, signal);
    expect([step.documentsDone, step.documentsLeft]).to.deep.equal([3, 0]);
    expect(step.removed).to.deep.include({ documents: 3, chunks: 3 });
    const again = await tenantWorkHandlers(harness.deps).purge({ tenantId }, signal);
    expect(again).to.deep.equal({
      documentsDone: 0,
      documentsLeft: 0,
      removed: { documents: 0, chunks: 0, other_rows: 0 },
    });
    const { hits } = await harness.client.search({ query: 'carditis' }, as(other));
    expect(hits).to.have.length(1);
  });
});
