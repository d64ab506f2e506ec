import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { createAdaptiveLimit, type AdaptiveLimit, type Ending } from '../src/domain/adaptive-limit.ts';

const roomy = { maxWaiting: 10, maxWaitingPerTenant: 10 };
const passage = { first: false, tenantId: 'a' };
const query = { first: true, tenantId: 'a' };

/** Calls that began, in order, each with the function that ends it. */
class Began {
  readonly names: string[] = [];
  readonly #ends = new Map<string, (ending: Ending) => void>();

  async enter(limit: AdaptiveLimit, name: string, place = passage, signal?: AbortSignal): Promise<void> {
    const leave = await limit.enter(place, signal);
    this.names.push(name);
    this.#ends.set(name, leave);
  }

  async end(name: string, ending: Ending = 'done'): Promise<void> {
    this.#ends.get(name)?.(ending);
    await turn();
  }
}

const turn = async () => new Promise<void>((resolve) => setImmediate(resolve));

/** One call after the other, each of which fills the limit: `limit()` calls at once, all ending so. */
async function round(limit: AdaptiveLimit, ending: Ending): Promise<void> {
  const leaves = await Promise.all(Array.from({ length: limit.limit() }, async () => limit.enter(passage)));
  for (const leave of leaves) leave(ending);
}

async function refusalOf(entering: Promise<unknown>): Promise<string> {
  return entering.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}

describe('adaptive limit: turns', () => {
  it('lets in as many as it may, and the next one when one leaves', async () => {
    const limit = createAdaptiveLimit({ max: 2, ...roomy });
    const began = new Began();
    for (const name of ['1', '2', '3', '4']) void began.enter(limit, name);
    await turn();
    expect([began.names, limit.inFlight()]).to.deep.equal([['1', '2'], 2]);
    await began.end('2');
    await began.end('2');
    expect(began.names).to.deep.equal(['1', '2', '3']);
    await began.end('1', 'failed');
    expect(began.names).to.deep.equal(['1', '2', '3', '4']);
  });

  it('rises by one for a round of calls that went well, up to its maximum', async () => {
    const limit = createAdaptiveLimit({ max: 6, initial: 4, ...roomy });
    const limits: number[] = [];
    for (let at = 0; at < 8; at += 1) {
      await round(limit, 'done');
      limits.push(limit.limit());
    }
    // By 1/4 + 1/4.25 + …: a little less than one for a round, of which the last calls see an empty limit.
    expect(limits).to.deep.equal([4, 5, 5, 6, 6, 6, 6, 6]);
  });

  it('does not rise while less than half of it is used', async () => {
    const limit = createAdaptiveLimit({ max: 8, initial: 4, ...roomy });
    for (let at = 0; at < 50; at += 1) (await limit.enter(passage))('done');
    expect(limit.limit()).to.equal(4);
  });

  it('halves after throttling, once for calls that were on their way together, and never falls below one', async () => {
    const limit = createAdaptiveLimit({ max: 16, initial: 16, ...roomy });
    await round(limit, 'throttled');
    expect(limit.limit()).to.equal(8);
    for (const expected of [4, 2, 1, 1]) {
      await round(limit, 'throttled');
      expect(limit.limit()).to.equal(expected);
    }
    await round(limit, 'failed');
    expect(limit.limit()).to.equal(1);
    await round(limit, 'done');
    expect(limit.limit()).to.equal(2);
  });

  it('takes questions before passages, and lets one question go beyond the limit', async () => {
    const limit = createAdaptiveLimit({ max: 1, ...roomy });
    const began = new Began();
    void began.enter(limit, 'passage 1');
    void began.enter(limit, 'passage 2');
    await turn();
    void began.enter(limit, 'question 1', query);
    void began.enter(limit, 'question 2', query);
    await turn();
    expect(began.names).to.deep.equal(['passage 1', 'question 1']);
    await began.end('passage 1');
    expect(began.names).to.deep.equal(['passage 1', 'question 1', 'question 2']);
    await began.end('question 1');
    await began.end('question 2');
    expect(began.names.at(-1)).to.equal('passage 2');
  });

  it('lets tenants take turns, whoever has more waiting', async () => {
    const limit = createAdaptiveLimit({ max: 1, ...roomy });
    const began = new Began();
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) {
      void began.enter(limit, name, { first: false, tenantId: name.charAt(0) });
    }
    for (let at = 0; at < 7; at += 1) {
      await turn();
      await began.end(began.names.at(-1) ?? '');
    }
    expect(began.names).to.deep.equal(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
  });

  it('lets go of who waits when its signal fires, and of nobody else', async () => {
    const limit = createAdaptiveLimit({ max: 1, ...roomy });
    const began = new Began();
    const controller = new AbortController();
    void began.enter(limit, '1');
    const left = began.enter(limit, '2', passage, controller.signal).catch((error: unknown) => error);
    void began.enter(limit, '3');
    controller.abort(new Error('left'));
    expect(await left).to.have.property('message', 'left');
    await began.end('1');
    expect(began.names).to.deep.equal(['1', '3']);
    expect(await limit.enter(passage, controller.signal).catch((error: unknown) => error)).to.have.property(
      'message',
      'left',
    );
    await began.end('3');
    expect(limit.inFlight()).to.equal(0);
  });

  it('refuses the tenant of which too many wait, and no other', async () => {
    const limit = createAdaptiveLimit({ max: 1, maxWaiting: 3, maxWaitingPerTenant: 1 });
    const leave = await limit.enter(passage);
    const waiting = limit.enter(passage);
    expect(await refusalOf(limit.enter(passage))).to.equal('RATE_LIMITED');
    const other = limit.enter({ ...passage, tenantId: 'b' });
    leave('done');
    for (const next of [waiting, other]) (await next)('done');
    // The places are free again.
    (await limit.enter(passage))('done');
    expect(limit.inFlight()).to.equal(0);
  });

  it('refuses when too many wait in all, and keeps room for questions', async () => {
    const limit = createAdaptiveLimit({ max: 1, maxWaiting: 2, maxWaitingPerTenant: 1 });
    const of = (tenantId: string, first: boolean) => limit.enter({ tenantId, first });
    // The second question is beyond the limit, so that it waits.
    const leaves = [await of('a', false), await of('a', true)];
    const waiting = [of('a', false), of('b', false), of('a', true), of('b', true)];
    expect(await refusalOf(of('c', false))).to.equal('RATE_LIMITED');
    expect(await refusalOf(of('c', true))).to.equal('RATE_LIMITED');
    for (const leave of leaves) leave('done');
    await Promise.all(waiting.map(async (next) => (await next)('done')));
    expect(limit.inFlight()).to.equal(0);
  });

  it('frees the place of who left', async () => {
    const limit = createAdaptiveLimit({ max: 1, maxWaiting: 1, maxWaitingPerTenant: 1 });
    const leave = await limit.enter(passage);
    const controller = new AbortController();
    const left = limit.enter(passage, controller.signal).catch(() => undefined);
    controller.abort(new Error('left'));
    await left;
    const waiting = limit.enter(passage);
    leave('done');
    (await waiting)('done');
    expect(limit.inFlight()).to.equal(0);
  });

  it('tells of every change', async () => {
    const seen: string[] = [];
    const limit = createAdaptiveLimit({
      max: 1,
      ...roomy,
      onChange: ({ limit: most, inFlight, waiting }) => seen.push([most, inFlight, waiting].join('/')),
    });
    const leave = await limit.enter(passage);
    const next = limit.enter(passage);
    leave('throttled');
    (await next)('done');
    expect(seen).to.deep.equal(['1/1/0', '1/1/1', '1/1/0', '1/0/0']);
  });
});
