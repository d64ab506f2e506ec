import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { createIndexKeeper } from '../src/jobs/index-keeper.ts';
import { type Harness, openHarness, running } from './support/harness.ts';
import { modelTenant, models, useModels } from './support/model-tenant.ts';

const textsOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${name} ${String(at)}`);

describe('a change of the embedding model under live search', function () {
  this.timeout(120_000);
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
    useModels(harness);
  });
  beforeEach(() => {
    harness.models.current = models.old;
    harness.models.unserved.clear();
    harness.models.calls.length = 0;
    harness.models.before = () => Promise.resolve();
    harness.useKeyVersion(1);
  });
  after(() => harness.close());

  const keeping = (reembed = { lookIntervalMs: 20, keepOldMs: 1, askAgainMs: 60_000 }) =>
    createIndexKeeper(harness.deps, {
      ...{ intervalMs: 5, minParts: 4, maxAgeMs: 50, reembed },
      vectorIndex: { minChunks: 1_000_000, lookIntervalMs: 60_000 },
    });

  it('gives every answer from one model, none of them empty, and ends with vectors of the new one alone', async () => {
    const tenant = modelTenant(harness);
    for (let number = 0; number < 12; number += 1)
      await tenant.write(textsOf(`before ${String(number)}`, 20), models.old);
    const replaced = await tenant.write(textsOf('first version', 20), models.old);
    const keeper = keeping();
    keeper.start();
    let going = true;
    const answers: string[] = [];
    const faults: string[] = [];
    const search = async (): Promise<void> => {
      while (going) {
        const { texts, models: of } = await tenant.search(8).catch((error: unknown) => {
          faults.push(String(error));
          return { texts: [], models: [] };
        });
        if (texts.length !== 8) faults.push(`${String(texts.length)} chunks`);
        if (of.length !== 1) faults.push('two models in one answer');
        answers.push(...of);
      }
    };
    const searches = [search(), search(), search()];
    try {
      await eventually(() => answers.length > 10);
      harness.models.current = models.next;
      // Uploads go on: some were embedded before the change, the others after it.
      for (let number = 0; number < 8; number += 1) {
        await tenant.write(textsOf(`meanwhile ${String(number)}`, 10), number % 2 === 0 ? models.next : models.old);
      }
      await tenant.write(textsOf('second version', 20), models.next, { documentId: replaced, version: 2 });
      await eventually(async () => (await tenant.state())?.settled === true && answers.at(-1) === models.next, {
        timeoutMs: 60_000,
        description: 'searches to go over to the new model',
      });
      const after = answers.length;
      await eventually(() => answers.length > after + 10);
      going = false;
      await Promise.all(searches);
    } finally {
      going = false;
      await Promise.allSettled(searches);
      await keeper.close();
    }
    expect(faults).to.deep.equal([]);
    expect(new Set(answers)).to.deep.equal(new Set([models.old, models.next]));
    // Once over, never back: three lines of searches may each have one under way at that moment.
    const first = answers.indexOf(models.next);
    expect(answers.lastIndexOf(models.old)).to.be.at.most(first + 3);
    expect(await tenant.state()).to.deep.equal({ model: models.next, next: null, settled: true });
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [340, 0, 340] });
    const told = harness.events.filter(({ action }) => action === 'index.switch-model');
    expect(told.map(({ attributes }) => attributes)).to.deep.equal([
      { from: models.old, to: models.next, unreadable: '0' },
    ]);
    const searched = harness.events.filter(({ action }) => action === 'search.read');
    expect(new Set(searched.map(({ attributes }) => attributes?.['model']))).to.deep.equal(
      new Set([models.old, models.next]),
    );
    const metrics = await harness.registry.metrics();
    expect(metrics).to.contain('wardstone_retrieval_model_switches_total 1');
    expect(metrics).to.contain('wardstone_retrieval_unsettled_tenants');
    expect(metrics).to.match(/wardstone_retrieval_removed_old_vectors_total [1-9]/);
  });

  it('finds a document by its vector from its first moment on, whatever model its artefacts are of', async () => {
    const tenant = modelTenant(harness);
    await tenant.write(['a'], models.old);
    // The pipeline is ahead: this process has not heard yet that the model was changed.
    harness.models.current = models.next;
    await tenant.write(['b'], models.next);
    expect((await tenant.search()).texts.toSorted()).to.deep.equal(['a', 'b']);
    expect(await tenant.counts()).to.deep.equal({ [models.old]: [2, 0, 2], [models.next]: [1, 0, 1] });
    await tenant.finish();
    expect((await tenant.search()).models).to.deep.equal([models.next]);
    // And behind: this one was embedded before the change and waited in the queue.
    await tenant.write(['c'], models.old);
    expect((await tenant.search()).texts.toSorted()).to.deep.equal(['a', 'b', 'c']);
    await tenant.finish();
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [3, 0, 3] });
  });

  it('leaves vectors of a model that became the next one while a document was written to the background', async () => {
    const tenant = modelTenant(harness);
    await tenant.write(['a'], models.old);
    const change = 'update retrieval.tenant_model set next_model_id = $2, settled = false where tenant_id = $1';
    const { current } = harness.deps.keys;
    let changes = 0;
    // Asked for after the first look at the tenant's model, and before anything is written.
    harness.deps.keys.current = async (tenantId, purpose) => {
      if (purpose === 'terms' && changes++ === 0) {
        await harness.testDatabase.query(change, [tenant.tenantId, models.next]);
      }
      return current(tenantId, purpose);
    };
    try {
      await tenant.write(['b', 'c'], models.old);
    } finally {
      harness.deps.keys.current = current;
    }
    expect(await tenant.counts()).to.deep.equal({ [models.old]: [3, 0, 3] });
    expect((await tenant.search()).models).to.deep.equal([models.old]);
    harness.models.current = models.next;
    await tenant.finish();
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [3, 0, 3] });
  });

  it('makes a call again that fails while a document is indexed, and pays for no other one twice', async () => {
    const tenant = modelTenant(harness);
    await tenant.write(['a'], models.old);
    harness.models.calls.length = 0;
    let calls = 0;
    harness.models.before = () => {
      calls += 1;
      return calls % 2 === 1 ? Promise.reject(new AppError('RATE_LIMITED')) : Promise.resolve();
    };
    try {
      await tenant.write(textsOf('b', 150), models.next);
    } finally {
      harness.models.before = () => Promise.resolve();
    }
    expect(harness.models.calls.map(({ texts }) => texts.length)).to.deep.equal([64, 64, 64, 64, 22, 22]);
    expect((await tenant.counts())[models.old]).to.deep.equal([151, 0, 151]);
  });

  it('does not go over to a model that makes nothing of what the other one made something of, and asks it again', async () => {
    const tenant = modelTenant(harness);
    await tenant.write(textsOf('a', 40), models.old);
    harness.models.current = models.next;
    harness.models.nothing.add(models.next);
    const line = tenant.reembedding();
    try {
      for (let pass = 0; pass < 4; pass += 1) await line.pass(running.signal);
      expect(await tenant.state()).to.deep.include({ model: models.old, next: models.next });
      expect(await tenant.counts()).to.deep.equal({ [models.old]: [40, 0, 40], [models.next]: [0, 40, 0] });
      expect((await tenant.search()).models).to.deep.equal([models.old]);
      expect(await harness.registry.metrics()).to.match(/wardstone_retrieval_model_switches_refused_total [1-9]/);
      expect(harness.logs.join('')).to.contain('makes nothing of too many passages');
    } finally {
      harness.models.nothing.clear();
    }
    await tenant.finish({ askAgainMs: 0 });
    expect(await tenant.state()).to.deep.equal({ model: models.next, next: null, settled: true });
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [40, 0, 40] });
  });

  it('embeds a question anew when the tenant went over while it was with the model', async () => {
    const tenant = modelTenant(harness);
    await tenant.write(['a', 'b'], models.old);
    await tenant.search();
    harness.models.current = models.next;
    const { vectorOf } = harness.deps.vectors;
    const asked: (string | undefined)[] = [];
    harness.deps.vectors.vectorOf = async (question, call, modelId) => {
      asked.push(modelId);
      if (asked.length === 1) await tenant.finish();
      return vectorOf(question, call, modelId);
    };
    try {
      const { texts, models: of } = await tenant.search();
      expect([texts.length, of]).to.deep.equal([2, [models.next]]);
      await tenant.search();
    } finally {
      harness.deps.vectors.vectorOf = vectorOf;
    }
    // Once with what was true when the last search looked, once more because it is not any more; from then on at once.
    expect(asked).to.deep.equal([models.old, models.next, models.next]);
  });

  it('goes by words alone while the model of the vectors is not served, says so, and comes back by itself', async () => {
    const tenant = modelTenant(harness);
    await tenant.write(['zzz found by its word', 'found by its vector alone'], models.old);
    expect((await tenant.search()).texts).to.have.length(2);
    // Somebody has changed the model and kept nothing of the old one.
    harness.models.current = models.next;
    harness.models.unserved.add(models.old);
    harness.logs.length = 0;
    expect((await tenant.search()).texts).to.deep.equal(['zzz found by its word']);
    expect(harness.events.at(-1)?.attributes).to.include({ model: 'none', hits: '1' });
    expect(harness.logs.join('')).to.contain('by words alone').and.to.contain(models.old);
    expect(await harness.registry.metrics()).to.match(/wardstone_retrieval_words_only_searches_total [1-9]/);
    await tenant.write(['written meanwhile'], models.next);
    expect(await harness.registry.metrics()).to.match(/wardstone_retrieval_indexed_without_model_total [1-9]/);
    await tenant.finish();
    const { texts, models: of } = await tenant.search();
    expect([texts.length, of]).to.deep.equal([3, [models.next]]);
    expect(await tenant.counts()).to.deep.equal({ [models.next]: [3, 0, 3] });
  });

  it('follows a second change while the first one is made, and back again, without a vector of a third left over', async () => {
    const tenant = modelTenant(harness);
    for (let number = 0; number < 4; number += 1) await tenant.write(textsOf(`d${String(number)}`, 40), models.old);
    harness.models.current = models.next;
    const line = tenant.reembedding();
    // One page of the first change, and no more.
    const only = new AbortController();
    harness.models.before = (call) => {
      if (call.modelId === models.next) only.abort();
      return Promise.resolve();
    };
    await line.pass(only.signal);
    harness.models.before = () => Promise.resolve();
    harness.models.current = models.third;
    await tenant.finish();
    expect(await tenant.state()).to.deep.equal({ model: models.third, next: null, settled: true });
    expect(await tenant.counts()).to.deep.equal({ [models.third]: [160, 0, 160] });
    harness.models.current = models.next;
    const again = new AbortController();
    harness.models.before = () => Promise.resolve(again.abort());
    await line.pass(again.signal);
    harness.models.before = () => Promise.resolve();
    expect(await tenant.state()).to.deep.include({ model: models.third, next: models.next });
    harness.models.current = models.third;
    await tenant.finish();
    expect(await tenant.state()).to.deep.equal({ model: models.third, next: null, settled: true });
    expect((await tenant.search()).models).to.deep.equal([models.third]);
  });

  it('leaves old vectors for a while, so that a change that is taken back costs nothing', async () => {
    const tenant = modelTenant(harness);
    await tenant.write(['a', 'b'], models.old);
    harness.models.current = models.next;
    const line = tenant.reembedding({ keepOldMs: 3_600_000 });
    for (let pass = 0; pass < 3; pass += 1) await line.pass(running.signal);
    expect(await tenant.state()).to.deep.equal({ model: models.next, next: null, settled: false });
    expect(Object.keys(await tenant.counts())).to.have.length(2);
    harness.models.calls.length = 0;
    harness.models.current = models.old;
    for (let pass = 0; pass < 3; pass += 1) await line.pass(running.signal);
    expect(await tenant.state()).to.deep.include({ model: models.old, next: null });
    expect(harness.models.calls.filter(({ tenantId }) => tenantId === tenant.tenantId)).to.deep.equal([]);
  });
});
