import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { vectorSteps } from '../src/domain/vector-steps.ts';
import { type Harness, modelId, openHarness, seededVector } from './support/harness.ts';
import {
  chunksPerDocument,
  clusteredVector,
  minChunks,
  vectorTenant,
  type VectorTenant,
} from './support/vector-tenant.ts';

const documents = 12;

describe('search by a tenant’s own index of vectors', () => {
  let harness: Harness;
  let tenant: VectorTenant;
  before(async function () {
    this.timeout(120_000);
    harness = await openHarness({ steps: vectorSteps(minChunks) });
    // As if other lists had been there before.
    await harness.testDatabase.query(`select setval('retrieval.vector_list_list_no_seq', 1000)`);
    tenant = vectorTenant(harness);
    for (let number = 0; number < documents; number += 1) {
      await tenant.write(number, number === 5 ? { labels: ['rare'] } : {});
    }
    expect((await tenant.build()).isFinished).to.equal(true);
  });
  after(() => harness.close());

  const unlisted = async (): Promise<number> => {
    const [row] = await tenant.rows(
      'select count(*)::int as n from retrieval.chunk_bits where tenant_id = $1 and list_no = 0',
    );
    return Number(row?.['n']);
  };
  it('has every vector in a list, reads few of them, and finds the ten nearest', async () => {
    expect(await unlisted()).to.equal(0);
    const read = await tenant.byLists(clusteredVector(900_001), documents * chunksPerDocument);
    // More than a search asks for, so that it is these that it takes.
    expect(read?.length)
      .to.be.greaterThan(116)
      .and.to.be.lessThan((documents * chunksPerDocument) / 2);
    expect(await tenant.recall(30)).to.be.at.least(0.97);
  }).timeout(60_000);

  it('gives as many as are asked for, also when the lists near the question have fewer', async () => {
    await tenant.rows(
      `update retrieval.chunk_bits set list_no = (select list_no from retrieval.chunk_bits where tenant_id = $1 limit 1)
       where tenant_id = $1`,
    );
    const elsewhere = [1, 2, 3].map((seed) => clusteredVector(900_000 + seed));
    const counts = await Promise.all(elsewhere.map(async (question) => (await tenant.byLists(question, 100))?.length));
    expect(counts).to.include(0);
    for (const question of elsewhere) expect(await tenant.search(question, 100)).to.have.length(100);
    await tenant.rows('update retrieval.chunk_bits set list_no = 0 where tenant_id = $1');
    await tenant.build();
    expect(await unlisted()).to.equal(0);
  });

  it('gives every chunk that passes a filter which few pass', async () => {
    const passing = await tenant.search(clusteredVector(3), 100, [{ field: 'label', value: 'rare' }]);
    expect(passing).to.have.length(chunksPerDocument);
    expect(new Set(passing.map((text) => text.split(' ')[0]))).to.deep.equal(new Set(['d5']));
  });

  it('finds at once what was just written, and what was written anew, and no more what was removed', async () => {
    const far = seededVector(424_242);
    const { documentId } = await harness.index({ tenantId: tenant.tenantId, chunks: [{ text: 'new', vector: far }] });
    expect(await unlisted()).to.equal(1);
    expect(await tenant.byLists(far, 1)).to.deep.equal([`${documentId}/0`]);
    expect((await tenant.search(far, 1))[0]).to.equal('new');
    await tenant.build();
    expect(await unlisted()).to.equal(0);
    expect((await tenant.search(far, 1))[0]).to.equal('new');
    const again = seededVector(515_151);
    const chunks = [{ text: 'newer', vector: again }];
    await harness.index({ tenantId: tenant.tenantId, documentId, version: 2, chunks });
    expect(await tenant.byLists(again, 1)).to.deep.equal([`${documentId}/0`]);
    expect((await tenant.search(again, 1))[0]).to.equal('newer');
    expect(await tenant.search(far, 100)).not.to.include('new');
  });

  it('finds vectors that say they are in lists which there are not', async () => {
    const vector = seededVector(606_060);
    const chunks = [{ text: 'stray', vector }];
    const { documentId } = await harness.index({ tenantId: tenant.tenantId, chunks });
    const [last] = await tenant.rows('select last_list as n from retrieval.vector_index where tenant_id = $1');
    for (const list of ['1', String(BigInt(String(last?.['n'])) + 7n)]) {
      await harness.testDatabase.query('update retrieval.chunk_bits set list_no = $2 where document_id = $1', [
        documentId,
        list,
      ]);
      expect(await tenant.byLists(vector, 1), list).to.deep.equal([`${documentId}/0`]);
      expect((await tenant.search(vector, 1))[0], list).to.equal('stray');
    }
  });

  it('compares vectors of the question’s model alone', async () => {
    const vector = seededVector(707_070);
    const chunks = [{ text: 'of another model', vector }];
    harness.models.unserved.add(modelId);
    await harness.index({ tenantId: tenant.tenantId, modelId: 'another-model', chunks });
    harness.models.unserved.clear();
    await tenant.build();
    const use = (model: string) =>
      harness.testDatabase.query('update retrieval.tenant_model set model_id = $2 where tenant_id = $1', [
        tenant.tenantId,
        model,
      ]);
    expect(await tenant.search(vector, 100)).not.to.include('of another model');
    await use('another-model');
    try {
      expect(await tenant.search(vector, 100)).to.deep.equal(['of another model']);
    } finally {
      await use(modelId);
    }
  });

  it('shows an index to nobody but its tenant', async () => {
    const other = uuidv7();
    const seen = await harness.database.inTenant(other, async (tx) => {
      const tables = ['vector_index', 'vector_list'].map(async (table) => tx.query<unknown[]>(`select from ${table}`));
      return (await Promise.all(tables)).flat().length;
    });
    expect(seen).to.equal(0);
    const policies = await harness.testDatabase.query(
      `select relname from pg_class where relname in ('vector_index', 'vector_list')
         and relrowsecurity and relforcerowsecurity`,
    );
    expect(policies).to.have.length(2);
  });
});
