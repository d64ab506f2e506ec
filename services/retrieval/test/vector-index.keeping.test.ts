import { asPrincipal } from '@wardstone/rpc';
import { expect } from 'chai';
import type { EntityManager } from 'typeorm';
import { createIndexKeeper } from '../src/jobs/index-keeper.ts';
import { createVectorIndexing, indexTenant } from '../src/jobs/keep-vector-index.ts';
import { vectorSteps } from '../src/domain/vector-steps.ts';
import type { Deps } from '../src/ports.ts';
import { purgeTenant } from '../src/tenant-work/purge-tenant.ts';
import { resealDocument } from '../src/tenant-work/reseal-document.ts';
import { clinician, type Harness, openHarness, reasonOf, running, seededVector } from './support/harness.ts';
import { mergeAll } from './support/keyword-ranking.ts';
import {
  clusteredVector,
  chunksPerDocument,
  minChunks,
  vectorTenant,
  type VectorTenant,
} from './support/vector-tenant.ts';

const documents = minChunks / chunksPerDocument + 1;

describe('index of vectors: its keeping', function () {
  this.timeout(120_000);
  let harness: Harness;
  let tenant: VectorTenant;
  let ids: string[];
  before(async () => {
    harness = await openHarness({ steps: vectorSteps(minChunks) });
  });
  beforeEach(async () => {
    harness.useKeyVersion(1);
    tenant = vectorTenant(harness);
    ids = [];
    for (let number = 0; number < documents; number += 1) ids.push(await tenant.write(number));
  });
  after(() => harness.close());

  const indexes = (of = tenant) =>
    of.rows(
      `select i.index_no as no, i.state, i.vector_key_version as version, i.chunk_count::int as chunks, count(l.list_no)::int as lists
       from retrieval.vector_index i left join retrieval.vector_list l using (tenant_id, index_no)
       where tenant_id = $1 group by 1, 2, 3, 4 order by 1`,
    );
  const states = async () => (await indexes()).map(({ state, version }) => [state, version]);
  /** Vectors in a list of no index, those in none included. */
  const outside = async (): Promise<number> => {
    const [row] = await tenant.rows(
      `select count(*)::int as n from retrieval.chunk_bits b where tenant_id = $1 and not exists (
         select from retrieval.vector_list l where l.tenant_id = b.tenant_id and l.list_no = b.list_no)`,
    );
    return Number(row?.['n']);
  };
  /** The database, with something done before each transaction, or each statement in one. */
  const watched = (before: {
    transaction?: () => Promise<void>;
    statement?: () => Promise<void>;
  }): Deps['database'] => ({
    ...harness.database,
    inTenant: async (tenantId, work, options) => {
      await before.transaction?.();
      return harness.database.inTenant(
        tenantId,
        (tx) => {
          const query = async (sql: string, values?: unknown[]): Promise<unknown> => {
            await before.statement?.();
            return tx.query(sql, values);
          };
          return work(Object.create(tx, { query: { value: query } }) as EntityManager);
        },
        options,
      );
    },
  });

  it('finds what is written at any step of the making, and puts it into a list in the end', async () => {
    let steps = 0;
    const transaction = async (): Promise<void> => {
      steps += 1;
      // Each write makes a step of filling more.
      if (steps > 14) return;
      const vector = seededVector(70_000 + steps);
      const chunks = [{ text: `step ${String(steps)}`, vector }];
      // As the others, of the same id in every run: it is drawn for trainings too.
      const documentId = `01970000-0000-7000-8000-${String(900_000 + steps).padStart(12, '0')}`;
      await harness.index({ tenantId: tenant.tenantId, documentId, chunks });
      expect(await tenant.search(vector, 1)).to.deep.equal([`step ${String(steps)}`]);
      const listed = await tenant.byLists(vector, 1);
      if (listed !== undefined) expect(listed).to.deep.equal([`${documentId}/0`]);
    };
    await tenant.build({ ...harness.deps, database: watched({ transaction }) });
    expect(steps).to.be.greaterThan(10);
    expect([await states(), await outside()]).to.deep.equal([[['filling', 1]], 0]);
    expect(await tenant.recall(10)).to.be.at.least(0.95);
  });

  it('goes on where it was when it is killed before any of its statements, and nothing is missing meanwhile', async () => {
    let killed = 0;
    for (let statements = 1; ; statements = statements < 12 ? statements + 1 : Math.ceil(statements * 1.6)) {
      let sent = 0;
      const statement = async (): Promise<void> => {
        sent += 1;
        if (sent === statements) await harness.testDatabase.terminateConnections();
      };
      const reason = await reasonOf(tenant.build({ ...harness.deps, database: watched({ statement }) }));
      expect(await tenant.search(clusteredVector(7), 1), `before statement ${String(statements)}`).to.deep.equal([
        'd0 c7',
      ]);
      const listed = await tenant.byLists(clusteredVector(7), 10);
      if (listed !== undefined) expect(listed[0]).to.equal(`${ids[0] ?? ''}/7`);
      if (reason === 'none') break;
      killed += 1;
    }
    expect(killed).to.be.greaterThan(12);
    expect([await states(), await outside()]).to.deep.equal([[['filling', 1]], 0]);
    expect(await tenant.recall(10)).to.be.at.least(0.95);
  });

  it('is made once, however many make it at the same time', async () => {
    await Promise.all(Array.from({ length: 3 }, () => tenant.build()));
    await tenant.build();
    const made = harness.logs.filter((line) => line.includes(tenant.tenantId) && line.includes('of their own'));
    expect(made).to.have.length(1);
    expect([await states(), await outside()]).to.deep.equal([[['filling', 1]], 0]);
  });

  it('is made anew when the tenant has doubled, and every vector moves, and no other tenant’s', async () => {
    const other = vectorTenant(harness);
    for (let number = 0; number < documents; number += 1) await other.write(number);
    await other.build();
    await tenant.build();
    const placesOfOther = () =>
      other.rows('select document_id, ordinal, list_no from retrieval.chunk_bits where tenant_id = $1 order by 1, 2');
    const before = [await indexes(other), await placesOfOther()];
    const [first] = await indexes();
    for (let number = documents; number < 2 * documents; number += 1) await tenant.write(number);
    await tenant.build();
    const [second, ...rest] = await indexes();
    expect(rest).to.deep.equal([]);
    expect(second?.['no']).not.to.equal(first?.['no']);
    expect(second?.['chunks']).to.equal(2 * documents * chunksPerDocument);
    expect(await outside()).to.equal(0);
    expect(await tenant.recall(10)).to.be.at.least(0.95);
    expect([await indexes(other), await placesOfOther()]).to.deep.equal(before);
  });

  it('has vectors of both spaces found while keys are rotated, and moves to the new space with them', async () => {
    for (let number = documents; number < 2 * documents; number += 1) ids.push(await tenant.write(number));
    await tenant.build();
    harness.useKeyVersion(2);
    const reseal = (documentId: string) => resealDocument(harness.deps, { tenantId: tenant.tenantId, documentId });
    for (const id of ids.slice(0, documents)) await reseal(id);
    const findAll = async (): Promise<void> => {
      for (const seed of [1, 3 * chunksPerDocument + 5, (documents + 3) * chunksPerDocument + 11]) {
        const [found] = await tenant.search(clusteredVector(seed), 1);
        expect(found).to.equal(`d${String(Math.floor(seed / chunksPerDocument))} c${String(seed % chunksPerDocument)}`);
      }
      expect(await tenant.search(clusteredVector(5), 100)).to.have.length(100);
    };
    await findAll();
    await tenant.build();
    expect(await states()).to.deep.equal([
      ['filling', 1],
      ['filling', 2],
    ]);
    await findAll();
    for (const id of ids.slice(documents)) await reseal(id);
    await findAll();
    await tenant.build();
    expect(await states()).to.deep.equal([['filling', 2]]);
    expect(await outside()).to.equal(0);
    await findAll();
  });

  it('is given up where vectors have no neighbours to speak of, and what it was made of goes', async () => {
    const scattered = vectorTenant(harness, (seed) => seededVector(30_000 + seed));
    for (let number = 0; number < documents; number += 1) await scattered.write(number);
    await scattered.build();
    expect((await indexes(scattered)).map(({ state, lists }) => [state, lists])).to.deep.equal([['useless', 0]]);
    expect(await scattered.search(seededVector(30_141), 1)).to.deep.equal(['d2 c21']);
    expect((await scattered.build()).steps).to.equal(0);
    expect(await harness.registry.metrics()).to.match(/vector_indexes_total\{outcome="useless"\} [1-9]/);
  });

  it('has no centroid that is one document’s vector', async () => {
    await tenant.build();
    const lone = await tenant.rows('select 1 from retrieval.vector_list where tenant_id = $1 and sampled < 8');
    const same = await tenant.rows(
      `select 1 from retrieval.vector_list l join retrieval.chunk_vector c using (tenant_id)
       where tenant_id = $1 and l.centroid <=> c.embedding < 0.001`,
    );
    expect([lone, same]).to.deep.equal([[], []]);
  });

  it('goes when the tenant has become small, and with the tenant', async () => {
    await tenant.build();
    const left = vectorTenant(harness);
    for (let number = 0; number < documents; number += 1) await left.write(number);
    await left.build();
    for (const documentId of ids.slice(1)) {
      await harness.client.removeDocument({ documentId }, asPrincipal(clinician(tenant.tenantId)));
    }
    await tenant.build();
    expect(await indexes()).to.deep.equal([]);
    expect(await tenant.search(clusteredVector(3), 1)).to.deep.equal(['d0 c3']);
    expect(await indexes(left)).to.have.length(1);
    const { rows, isEmpty } = await purgeTenant(harness.deps, { tenantId: left.tenantId, maxMs: 60_000 });
    expect([isEmpty, rows.vector_index, rows.vector_list > 4]).to.deep.equal([true, 1, true]);
    expect(await indexes(left)).to.deep.equal([]);
  });

  it('is made by the keeper, for tenants that are large enough, a little in each pass', async () => {
    const small = vectorTenant(harness);
    await small.write(1);
    for (const { tenantId } of [tenant, small]) await mergeAll(harness, tenantId);
    const vectorIndex = { minChunks, lookIntervalMs: 0 };
    const keeper = createIndexKeeper(harness.deps, {
      intervalMs: 1,
      minParts: 1,
      maxAgeMs: 0,
      vectorIndex,
      reembed: { lookIntervalMs: 60_000, keepOldMs: 60_000, askAgainMs: 60_000 },
    });
    for (let pass = 0; pass < 100 && (await outside()) > 0; pass += 1) await keeper.pass();
    await keeper.close();
    expect([await states(), await outside()]).to.deep.equal([[['filling', 1]], 0]);
    expect(await indexes(small)).to.deep.equal([]);
  });

  it('is made for the other tenants when one tenant’s cannot be, says which, and tries it again with the next look', async () => {
    const behind = vectorTenant(harness);
    for (let number = 0; number < documents; number += 1) await behind.write(number);
    for (const { tenantId } of [tenant, behind]) await mergeAll(harness, tenantId);
    let isRefused = true;
    const failing: Deps['database'] = {
      ...harness.database,
      inTenant: (tenantId, work, options) =>
        isRefused && tenantId === tenant.tenantId
          ? Promise.reject(new Error('a statement was refused'))
          : harness.database.inTenant(tenantId, work, options),
    };
    const looks = { minChunks, lookIntervalMs: 1 };
    const indexing = createVectorIndexing({ ...harness.deps, database: failing }, looks);
    const stateOf = async (of: VectorTenant) => (await indexes(of)).map(({ state }) => state);
    const passUntilFilling = async (of: VectorTenant): Promise<void> => {
      for (let pass = 0; pass < 100 && (await stateOf(of))[0] !== 'filling'; pass += 1) {
        await indexing.pass(running.signal);
      }
    };
    harness.logs.length = 0;
    await passUntilFilling(behind);
    expect([await stateOf(tenant), await stateOf(behind)]).to.deep.equal([[], ['filling']]);
    const told = harness.logs.filter((line) => line.includes('could not be worked on'));
    expect(told).not.to.have.length(0);
    expect(told.every((line) => line.includes(tenant.tenantId))).to.equal(true);
    const failures = `wardstone_retrieval_vector_index_failures_total ${String(told.length)}\n`;
    expect(await harness.registry.metrics()).to.contain(failures);
    isRefused = false;
    await passUntilFilling(tenant);
    expect(await stateOf(tenant)).to.deep.equal(['filling']);
  });

  it('stops between two steps when it is told to', async () => {
    const bounds = { signal: AbortSignal.abort(), untilMs: Number.POSITIVE_INFINITY };
    const stopped = await indexTenant(harness.deps, tenant.tenantId, { minChunks }, bounds);
    expect(stopped).to.deep.equal({ steps: 0, isFinished: false });
    const late = await indexTenant(harness.deps, tenant.tenantId, { minChunks }, { ...running, untilMs: 0 });
    expect(late.isFinished).to.equal(false);
  });
});
