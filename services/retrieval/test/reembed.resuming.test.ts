import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { createReembedding } from '../src/jobs/reembed.ts';
import type { Deps } from '../src/ports.ts';
import { resealDocument } from '../src/tenant-work/reseal-document.ts';
import { tenantWorkHandlers } from '../src/tenant-work/handlers.ts';
import { type Harness, openHarness, running } from './support/harness.ts';
import { type ModelTenant, modelTenant, models, useModels } from './support/model-tenant.ts';

const chunks = 50;
const documents = 6;
const all = chunks * documents;

describe('re-embedding: crashes, damage and company', function () {
  this.timeout(60_000);
  let harness: Harness;
  let tenant: ModelTenant;
  before(async () => {
    harness = await openHarness();
    useModels(harness);
  });
  beforeEach(async () => {
    harness.useKeyVersion(1);
    harness.models.current = models.old;
    tenant = modelTenant(harness);
    for (let number = 0; number < documents; number += 1) await tenant.write(textsOf(number), models.old);
    harness.models.current = models.next;
    harness.models.calls.length = 0;
    harness.models.before = () => Promise.resolve();
    harness.faults.keys = false;
    harness.faults.audit = false;
  });
  afterEach(async () => {
    // Or the next test's passes would find this tenant too.
    await tenantWorkHandlers(harness.deps).purge({ tenantId: tenant.tenantId }, running.signal);
  });
  after(() => harness.close());

  const textsOf = (number: number): string[] =>
    Array.from({ length: chunks }, (_, at) => `d${String(number)} c${String(at)}`);
  /** Texts that were sent to the model, each as often as it was. */
  const sent = (): string[] => harness.models.calls.flatMap(({ texts }) => [...texts]);
  const isOver = async (): Promise<boolean> => {
    const { model, settled } = (await tenant.state()) ?? {};
    return model === models.next && settled === true;
  };

  it('goes on where it was when it is killed between two pages, and sends no passage twice', async () => {
    for (let kills = 0; kills < 40 && !(await isOver()); kills += 1) {
      // Each process is killed with its first page: the next one begins with nothing but the database.
      const killed = new AbortController();
      const before = sent().length;
      const database: Deps['database'] = {
        ...harness.database,
        // A step holds its lock in such a transaction.
        inPlatform: async (work) => {
          const result = await harness.database.inPlatform(work);
          if (sent().length > before) killed.abort();
          return result;
        },
      };
      await createReembedding(
        { ...harness.deps, database },
        { lookIntervalMs: 0, keepOldMs: 0, askAgainMs: 60_000 },
      ).pass(killed.signal);
    }
    expect(await isOver()).to.equal(true);
    expect(sent()).to.have.length(all);
    expect(new Set(sent()).size).to.equal(all);
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [all, 0, all] });
  });

  it('loses one page at most when it is killed while the model answers, and pays for none of the others again', async () => {
    let calls = 0;
    harness.models.before = () => {
      calls += 1;
      return calls === 5 ? Promise.reject(new AppError('MODEL_UNAVAILABLE')) : Promise.resolve();
    };
    await tenant.reembedding().pass(running.signal);
    expect(await isOver()).to.equal(false);
    expect(await harness.registry.metrics()).to.match(/wardstone_retrieval_reembed_failures_total [1-9]/);
    expect((await tenant.search()).models).to.deep.equal([models.old]);
    await tenant.finish();
    expect(await isOver()).to.equal(true);
    const times = Map.groupBy(sent(), (text) => text);
    expect(times.size).to.equal(all);
    const twice = [...times.values()].filter(({ length }) => length > 1);
    expect(twice.length).to.be.at.most(64);
  });

  it('is done once, however many do it at the same time', async () => {
    const lines = Array.from({ length: 3 }, () => tenant.reembedding());
    for (let pass = 0; pass < 20 && !(await isOver()); pass += 1) {
      await Promise.all(lines.map((line) => line.pass(running.signal)));
    }
    expect(await isOver()).to.equal(true);
    expect(sent()).to.have.length(all);
  });

  it('is not held up by a passage that does not open, or that the model makes nothing of', async () => {
    const damaged = await tenant.write(['damaged', 'sound'], models.old);
    await harness.testDatabase.query(
      `update retrieval.chunk set passage_sealed = passage_sealed || 'x' where document_id = $1 and ordinal = 0`,
      [damaged],
    );
    harness.logs.length = 0;
    const { vectorsOf } = harness.deps.passages;
    harness.deps.passages.vectorsOf = async (call) => {
      const vectors = await vectorsOf(call);
      return vectors?.map((vector, at) => (call.texts[at] === 'd0 c7' ? undefined : vector));
    };
    try {
      await tenant.finish();
    } finally {
      harness.deps.passages.vectorsOf = vectorsOf;
    }
    expect(await isOver()).to.equal(true);
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [all, 2, all] });
    expect(harness.logs.join('')).to.contain(damaged).and.to.contain('could not be embedded');
    expect(harness.events.findLast(({ action }) => action === 'index.switch-model')?.attributes).to.include({
      unreadable: '2',
    });
    expect(await harness.registry.metrics()).to.match(
      /wardstone_retrieval_reembedded_chunks_total\{outcome="unreadable"\} 2/,
    );
    // A rotation passes such rows by: there is nothing to be moved.
    harness.useKeyVersion(2);
    const { reseal } = tenantWorkHandlers(harness.deps);
    const work = { tenantId: tenant.tenantId, keyVersion: 2, settledAt: new Date() };
    let step = await reseal(work, running.signal);
    for (let steps = 0; steps < 5 && step.documentsDone > 0; steps += 1) step = await reseal(work, running.signal);
    expect(await versions()).to.deep.equal([2, null]);
  });

  const versions = async (): Promise<unknown[]> => {
    const rows = await harness.testDatabase.query(
      `select distinct vector_key_version as version from retrieval.chunk_vector where tenant_id = $1
       order by version nulls last`,
      [tenant.tenantId],
    );
    return rows.map(({ version }) => version);
  };

  it('keeps step with a rotation of the keys: vectors of both models are moved, and none is paid for again', async () => {
    let calls = 0;
    harness.models.before = () => {
      calls += 1;
      // While the third call is with the model.
      if (calls === 3) harness.useKeyVersion(2);
      return Promise.resolve();
    };
    await tenant.reembedding().pass(running.signal);
    harness.useKeyVersion(2);
    const ids = await harness.testDatabase.query(
      'select document_id as id from retrieval.indexed_document where tenant_id = $1',
      [tenant.tenantId],
    );
    for (const { id } of ids) await resealDocument(harness.deps, { tenantId: tenant.tenantId, documentId: String(id) });
    expect(await versions()).to.deep.equal([2]);
    await tenant.finish();
    expect(await isOver()).to.equal(true);
    expect(new Set(sent()).size).to.equal(sent().length);
    const { texts, models: of } = await tenant.search();
    expect([texts.length, of]).to.deep.equal([5, [models.next]]);
  });

  it('moves what there is of both models when keys are rotated in the middle of a change', async () => {
    const killed = new AbortController();
    harness.models.before = () => {
      killed.abort();
      return Promise.resolve();
    };
    await tenant
      .reembedding()
      .pass(killed.signal)
      .catch(() => undefined);
    harness.models.before = () => Promise.resolve();
    await tenant.write(['of both'], models.next);
    harness.useKeyVersion(2);
    const { reseal } = tenantWorkHandlers(harness.deps);
    const work = { tenantId: tenant.tenantId, keyVersion: 2, settledAt: new Date() };
    await reseal(work, running.signal);
    expect(await versions()).to.deep.equal([2]);
    expect((await tenant.search()).models).to.deep.equal([models.old]);
    await tenant.finish();
    expect((await tenant.search()).models).to.deep.equal([models.next]);
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [all + 1, 0, all + 1] });
  });

  it('does not change the model while that cannot be recorded, and searches go on with the one that there is', async () => {
    harness.models.before = () => Promise.resolve();
    harness.faults.auditRefuses = 'index.switch-model';
    const passes = tenant.reembedding();
    await eventually(async () => {
      await passes.pass(running.signal);
      return sent().length >= all;
    });
    await passes.pass(running.signal);
    expect(await tenant.state()).to.deep.include({ model: models.old, next: models.next });
    expect((await tenant.search()).models).to.deep.equal([models.old]);
    harness.faults.auditRefuses = undefined;
    await tenant.finish();
    expect(await isOver()).to.equal(true);
  });

  it('is held up by no passage that the model always fails on: the others are done, and it is given up by itself', async () => {
    const poison = textsOf(2)[7] ?? '';
    harness.models.before = ({ texts }) =>
      texts.includes(poison) ? Promise.reject(new AppError('MODEL_UNAVAILABLE')) : Promise.resolve();
    await tenant.finish();
    expect(await isOver()).to.equal(true);
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [all - 1, 1, all - 1] });
    expect(sent().length).to.be.below(2 * all);
  });

  it('gives nothing up while the model takes no text at all', async () => {
    harness.models.before = () => Promise.reject(new AppError('MODEL_UNAVAILABLE'));
    const passes = tenant.reembedding();
    for (let pass = 0; pass < 60; pass += 1) await passes.pass(running.signal);
    expect(await tenant.counts()).to.deep.equal({ [models.old]: [all, 0, all] });
    harness.models.before = () => Promise.resolve();
    await tenant.finish();
    expect(await isOver()).to.equal(true);
  });

  it('opens no passage while that cannot be recorded', async () => {
    harness.faults.audit = true;
    await tenant.reembedding().pass(running.signal);
    expect(sent()).to.deep.equal([]);
    harness.faults.audit = false;
    harness.models.before = () => Promise.resolve();
    await tenant.finish();
    expect(await isOver()).to.equal(true);
  });

  it('does nothing for a tenant whose keys are refused, and goes on with the others', async () => {
    const other = modelTenant(harness);
    harness.models.current = models.old;
    await other.write(['x'], models.old);
    harness.models.current = models.next;
    const before = harness.deps.keys;
    const keys: Deps['keys'] = {
      ...before,
      current: (tenantId, purpose) =>
        tenantId === tenant.tenantId
          ? Promise.reject(new AppError('TENANT_SUSPENDED'))
          : before.current(tenantId, purpose),
    };
    Object.assign(harness.deps, { keys });
    try {
      await other.finish();
    } finally {
      Object.assign(harness.deps, { keys: before });
    }
    expect(await other.state()).to.include({ model: models.next });
    expect(await tenant.state()).to.deep.include({ model: models.old, next: models.next });
    await tenantWorkHandlers(harness.deps).purge({ tenantId: other.tenantId }, running.signal);
  });

  it('takes turns, so that a large tenant does not keep a small one waiting', async () => {
    harness.models.current = models.old;
    const small = modelTenant(harness);
    await small.write(['x'], models.old);
    harness.models.current = models.next;
    await tenant.reembedding().pass(running.signal);
    expect(sent()).to.include('x');
    // After one page of the other at most.
    expect(sent().indexOf('x')).to.be.at.most(64);
    await tenantWorkHandlers(harness.deps).purge({ tenantId: small.tenantId }, running.signal);
  });
});
