import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import type { Deps } from '../src/ports.ts';
import { as, type Harness, openHarness, reasonOf, seededVector } from './support/harness.ts';

/** A question that is told what becomes of it. */
interface Asked {
  answer(): void;
  fail(): void;
}

describe('search: slots of a tenant', () => {
  let harness: Harness;
  let vectorOf: Deps['vectors']['vectorOf'];
  /** Questions that wait for their vectors. */
  let asked: Asked[];
  const [greedy, modest] = [uuidv7(), uuidv7()];
  before(async () => {
    harness = await openHarness({ limits: { maxSearches: 4, tenantSlotPercent: 50 } });
    ({ vectorOf } = harness.deps.vectors);
    for (const tenantId of [greedy, modest]) {
      await harness.index({ tenantId, chunks: [{ text: 'carditis', vector: seededVector(1) }] });
    }
  });
  beforeEach(() => {
    asked = [];
    harness.deps.vectors.vectorOf = (question, call) =>
      question === 'wait'
        ? new Promise((resolve, reject) => {
            asked.push({
              answer: () => {
                resolve(vectorOf(question, call));
              },
              fail: () => {
                reject(new AppError('MODEL_UNAVAILABLE'));
              },
            });
          })
        : vectorOf(question, call);
  });
  after(() => harness.close());

  const search = (tenantId: string, query = 'carditis', signal?: AbortSignal) =>
    harness.client.search({ query }, as(tenantId, signal === undefined ? {} : { signal }));
  const holdAll = async (tenantId: string, signal?: AbortSignal) => {
    const before = asked.length;
    const searches = [search(tenantId, 'wait', signal), search(tenantId, 'wait', signal)].map((held) => reasonOf(held));
    await eventually(() => asked.length === before + 2);
    return searches;
  };
  const inFlight = async (): Promise<string | undefined> =>
    /wardstone_retrieval_searches_in_flight (\d+)/.exec(await harness.registry.metrics())?.[1];

  it('are left to other tenants while one holds its share, and come back when a search ends', async () => {
    const held = await holdAll(greedy);
    const refused = await search(greedy).catch((error: unknown) => AppError.from(error));
    expect(refused).to.include({ reason: 'RATE_LIMITED', retryAfterMs: 1_000 });
    expect((await search(modest)).hits).to.have.length(1);
    expect(await inFlight()).to.equal('2');
    for (const { answer } of asked) answer();
    expect(await Promise.all(held)).to.deep.equal(['none', 'none']);
    expect(await inFlight()).to.equal('0');
    expect((await search(greedy)).hits).to.have.length(1);
  });

  it('are bounded in all', async () => {
    const held = [...(await holdAll(greedy)), ...(await holdAll(modest))];
    expect(await reasonOf(search(uuidv7()))).to.equal('RATE_LIMITED');
    for (const { answer } of asked) answer();
    await Promise.all(held);
    expect(await reasonOf(search(uuidv7()))).to.equal('none');
  });

  it('come back after an error', async () => {
    const held = await holdAll(greedy);
    for (const { fail } of asked) fail();
    expect(await Promise.all(held)).to.deep.equal(['MODEL_UNAVAILABLE', 'MODEL_UNAVAILABLE']);
    expect(await inFlight()).to.equal('0');
    expect(await reasonOf(search(greedy))).to.equal('none');
  });

  it('are held by a search whose caller has gone until its work ends, and the work goes no further', async () => {
    harness.events.length = 0;
    const gone = new AbortController();
    const held = await holdAll(greedy, gone.signal);
    gone.abort();
    expect(await Promise.all(held)).to.deep.equal(['CANCELLED', 'CANCELLED']);
    expect(await reasonOf(search(greedy))).to.equal('RATE_LIMITED');
    for (const { answer } of asked) answer();
    await eventually(async () => (await inFlight()) === '0');
    expect(harness.events).to.deep.equal([]);
    expect(await reasonOf(search(greedy))).to.equal('none');
  });
});
