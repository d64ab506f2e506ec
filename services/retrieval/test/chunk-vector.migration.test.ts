import { migrate } from '@wardstone/db';
import { createTestDatabase, type TestDatabase } from '@wardstone/testing';
import { expect } from 'chai';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AddChunkVector1796300000000 } from '../src/db/1796300000000-add-chunk-vector.ts';
import { migrations } from '../src/db/migrations.ts';
import { seededVector } from './support/harness.ts';

describe('the move of vectors into a table of their own', () => {
  let database: TestDatabase;
  const [single, mixed] = [uuidv7(), uuidv7()];
  before(async () => {
    database = await createTestDatabase({ schemas: ['retrieval'] });
    await run(migrations.filter((migration) => migration !== AddChunkVector1796300000000));
    await write(single, 'a', 3);
    await write(mixed, 'a', 2);
    await write(mixed, 'b', 3);
    await run(migrations);
  });
  after(() => database.drop());

  const run = async (some: typeof migrations): Promise<void> => {
    const { ownerUrl, appRole } = database.schema('retrieval');
    await migrate({ ownerUrl, appRole, schema: 'retrieval', migrations: some });
  };

  /** Rows as the version before wrote them. */
  async function write(tenantId: string, model: string, chunks: number): Promise<void> {
    const documentId = uuidv7();
    await database.query(
      `insert into retrieval.indexed_document
         (tenant_id, document_id, version, title_sealed, chunk_count, model_id, content_key_version, terms_key_version)
       values ($1, $2, 1, 'sealed', $3, $4, 1, 1)`,
      [tenantId, documentId, chunks, model],
    );
    for (let ordinal = 0; ordinal < chunks; ordinal += 1) {
      const vector = JSON.stringify([...seededVector(ordinal)]);
      await database.query(
        `with written as (
           insert into retrieval.chunk (tenant_id, document_id, version, ordinal, passage_sealed, model_id, embedding,
                                        vector_key_version, content_key_version)
           values ($1, $2, 1, $3, 'sealed', $4, $5, 1, 1) returning *)
         insert into retrieval.chunk_bits (tenant_id, document_id, version, ordinal, model_id, vector_key_version, bits)
         select tenant_id, document_id, version, ordinal, model_id, vector_key_version, binary_quantize(embedding)::bit(1024)
         from written`,
        [tenantId, documentId, ordinal, model, vector],
      );
    }
  }

  it('moves every vector with its model and key version, and its bits stay with it', async () => {
    const moved = await database.query(
      `select v.tenant_id as tenant, v.model_id as model, count(*)::int as vectors,
              bool_and(v.vector_key_version = 1 and b.bits = binary_quantize(v.embedding)::bit(1024)) as whole
       from retrieval.chunk c join retrieval.chunk_vector v using (tenant_id, document_id, version, ordinal)
         join retrieval.chunk_bits b using (tenant_id, document_id, version, ordinal, model_id)
       group by 1, 2 order by 3, 2`,
    );
    expect(moved).to.deep.equal([
      { tenant: mixed, model: 'a', vectors: 2, whole: true },
      { tenant: single, model: 'a', vectors: 3, whole: true },
      { tenant: mixed, model: 'b', vectors: 3, whole: true },
    ]);
  });

  it('lets each tenant search by the model that it has most vectors of, and leaves the rest to be made', async () => {
    const rows = await database.query(
      'select tenant_id as tenant, model_id as model, next_model_id as next, settled from retrieval.tenant_model',
    );
    expect(rows).to.have.deep.members([
      { tenant: single, model: 'a', next: null, settled: true },
      { tenant: mixed, model: 'b', next: null, settled: false },
    ]);
  });

  it('moves them back, when every chunk has a vector of the model that its tenant searches by', async () => {
    const { ownerUrl } = database.schema('retrieval');
    const options = { options: '-c search_path=retrieval,public' };
    const source = await new DataSource({ type: 'postgres', url: ownerUrl, extra: options }).initialize();
    const runner = source.createQueryRunner();
    const back = async (): Promise<unknown> => {
      await runner.startTransaction();
      try {
        await new AddChunkVector1796300000000().down(runner);
        const sql =
          'select count(*)::int as n from chunk join chunk_bits using (tenant_id, document_id, ordinal, model_id)';
        await runner.query('alter table chunk no force row level security');
        await runner.query('alter table chunk_bits no force row level security');
        return await runner.query(sql);
      } finally {
        await runner.rollbackTransaction();
      }
    };
    try {
      const failed = await back().catch((error: unknown) => String(error));
      expect(failed).to.contain('contains null values');
      await database.query(
        `delete from retrieval.chunk c using retrieval.chunk_vector v
         where v.tenant_id = $1 and v.model_id = 'a' and c.document_id = v.document_id`,
        [mixed],
      );
      expect(await back()).to.deep.equal([{ n: 6 }]);
    } finally {
      await runner.release();
      await source.destroy();
    }
  });

  it('binds the new tables to their tenants, the owner too', async () => {
    const rows = await database.query(
      `select relname as name from pg_class where relrowsecurity and relforcerowsecurity
       and relname in ('chunk', 'chunk_vector', 'chunk_bits', 'tenant_model') order by relname`,
    );
    expect(rows.map(({ name }) => name)).to.deep.equal(['chunk', 'chunk_bits', 'chunk_vector', 'tenant_model']);
  });
});
