import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { createKeyRing, type FetchedKey, type KeyPurpose, type KeyRing, type UnusedUses } from '../src/index.ts';
import { rejection, tenantA, tenantB } from './support.ts';

const ones = new Uint8Array(32).fill(1);
const zeros = new Uint8Array(32);
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Asked {
  readonly tenantId: string;
  readonly version: number;
  readonly unused: UnusedUses | undefined;
}

/** A source whose current version and lease can be changed, and that can be held shut. */
function source(options: { maxUses?: number; maxAgeMs?: number } = {}) {
  const given: Uint8Array[] = [];
  const asked: Asked[] = [];
  const state = { current: 1, maxUses: options.maxUses ?? 1000, gate: Promise.resolve() };
  const fetch = async (
    tenantId: string,
    _purpose: KeyPurpose,
    version: number,
    unused?: UnusedUses,
  ): Promise<FetchedKey> => {
    asked.push({ tenantId, version, unused });
    const { current, maxUses } = state;
    await state.gate;
    const key = Uint8Array.from(ones);
    given.push(key);
    const found = { key, currentVersion: current, maxAgeMs: options.maxAgeMs ?? 60_000 };
    return version === 0 ? { ...found, version: current, maxUses } : { ...found, version };
  };
  return { given, asked, state, fetch, unused: () => asked.map(({ unused }) => unused) };
}

/** Holds the source shut until what it returns is called. */
function shut(state: { gate: Promise<void> }): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  state.gate = promise;
  return resolve;
}

const use = async (ring: KeyRing, times: number): Promise<void> => {
  for (let done = 0; done < times; done += 1) await ring.current(tenantA, 'content');
};

describe('key ring: leases', () => {
  it('hands a key out as often as its lease says, then asks again', async () => {
    const { fetch, asked, unused } = source({ maxUses: 3 });
    const ring = createKeyRing({ fetch });
    await use(ring, 3);
    expect(asked).to.have.length(1);
    await use(ring, 1);
    expect(asked).to.have.length(2);
    expect(unused(), 'nothing was left of the first').to.deep.equal([undefined, undefined]);
  });

  it('takes nothing from the lease for opening', async () => {
    const { fetch, asked } = source({ maxUses: 2 });
    const ring = createKeyRing({ fetch });
    await use(ring, 1);
    for (let opened = 0; opened < 50; opened += 1) await ring.version(tenantA, 'content', 1);
    await use(ring, 1);
    expect(asked).to.have.length(1);
  });

  it('keeps a used-up key for opening', async () => {
    const { fetch, asked, given } = source({ maxUses: 1 });
    const ring = createKeyRing({ fetch });
    await use(ring, 1);
    await ring.version(tenantA, 'content', 1);
    expect(asked).to.have.length(1);
    expect(given).to.deep.equal([ones]);
  });

  it('never hands out more than was leased, however many wait for one fetch', async () => {
    const { fetch, asked, unused } = source({ maxUses: 7 });
    const ring = createKeyRing({ fetch });
    const keys = await Promise.all(Array.from({ length: 100 }, () => ring.current(tenantA, 'content')));
    expect(asked).to.have.length(Math.ceil(100 / 7));
    expect(unused().every((returned) => returned === undefined)).to.equal(true);
    for (const { key } of keys) expect(key).to.deep.equal(ones);
  });

  it('has a key of its own lease for each purpose', async () => {
    const { fetch, asked } = source({ maxUses: 1 });
    const ring = createKeyRing({ fetch });
    await ring.current(tenantA, 'content');
    await ring.current(tenantA, 'objects');
    expect(asked).to.have.length(2);
  });

  for (const maxUses of [0, -1, Number.NaN]) {
    it(`refuses a lease of ${String(maxUses)}`, async () => {
      const { fetch, given } = source({ maxUses });
      expect(await rejection(createKeyRing({ fetch }).current(tenantA, 'content'))).to.have.property(
        'reason',
        'KEY_UNAVAILABLE',
      );
      expect(given).to.deep.equal([zeros]);
    });
  }
});

describe('key ring: what is left of a lease', () => {
  it('is given back with the next request, once', async () => {
    const { fetch, unused } = source({ maxUses: 10 });
    const ring = createKeyRing({ fetch });
    await use(ring, 4);
    ring.refresh(tenantA);
    await use(ring, 10);
    await use(ring, 1);
    expect(unused()).to.deep.equal([undefined, { version: 1, uses: 6 }, undefined]);
  });

  it('is given back when the key has expired', async () => {
    let nowMs = 5;
    const { fetch, unused } = source({ maxUses: 10, maxAgeMs: 1000 });
    const ring = createKeyRing({ fetch, now: () => nowMs });
    await use(ring, 4);
    nowMs += 1001;
    await use(ring, 1);
    expect(unused()).to.deep.equal([undefined, { version: 1, uses: 6 }]);
  });

  it('is given back when the key had to make room for others', async () => {
    const { fetch, unused } = source({ maxUses: 10 });
    const ring = createKeyRing({ fetch, maxKeys: 1 });
    await use(ring, 4);
    await ring.version(tenantA, 'content', 9);
    await use(ring, 1);
    expect(unused()).to.deep.equal([undefined, undefined, { version: 1, uses: 6 }]);
  });

  it('is given back of a key that was not kept, without what those used who waited for it', async () => {
    const { fetch, unused } = source({ maxUses: 10, maxAgeMs: 0 });
    const ring = createKeyRing({ fetch });
    await Promise.all([use(ring, 1), use(ring, 1), use(ring, 1)]);
    await nextTurn();
    await use(ring, 1);
    expect(unused()).to.deep.equal([undefined, { version: 1, uses: 7 }]);
  });

  it('names the version it was of, when another is current by now', async () => {
    const { fetch, unused, state } = source({ maxUses: 10 });
    const ring = createKeyRing({ fetch });
    await use(ring, 1);
    state.current = 2;
    ring.refresh(tenantA);
    await use(ring, 1);
    ring.refresh(tenantA);
    await use(ring, 1);
    expect(unused()).to.deep.equal([undefined, { version: 1, uses: 9 }, { version: 2, uses: 9 }]);
  });

  it('is lost with a request that failed: it may have been counted', async () => {
    const { fetch, unused } = source({ maxUses: 10 });
    let fails = false;
    const ring = createKeyRing({
      fetch: (...asked) => {
        const answer = fetch(...asked);
        return fails ? answer.then(() => Promise.reject(new AppError('KEY_UNAVAILABLE'))) : answer;
      },
    });
    await use(ring, 1);
    ring.refresh(tenantA);
    fails = true;
    await rejection(use(ring, 1));
    fails = false;
    await use(ring, 1);
    expect(unused()).to.deep.equal([undefined, { version: 1, uses: 9 }, undefined]);
  });

  it('is not told with a request for a version', async () => {
    const { fetch, unused } = source({ maxUses: 10 });
    const ring = createKeyRing({ fetch });
    await use(ring, 1);
    ring.forget(tenantA);
    await ring.version(tenantA, 'content', 1);
    await use(ring, 1);
    expect(unused()).to.deep.equal([undefined, undefined, { version: 1, uses: 9 }]);
  });
});

describe('key ring: forget', () => {
  it('wipes every key of the tenant at once, and leaves another tenant alone', async () => {
    const { fetch, given, asked } = source();
    const ring = createKeyRing({ fetch });
    await ring.current(tenantA, 'content');
    await ring.version(tenantA, 'objects', 7);
    await ring.current(tenantB, 'content');
    ring.forget(tenantA);
    expect(given).to.deep.equal([zeros, zeros, ones]);
    await ring.current(tenantB, 'content');
    expect(asked).to.have.length(3);
    await ring.current(tenantA, 'content');
    await ring.version(tenantA, 'objects', 7);
    expect(asked).to.have.length(5);
  });

  it('keeps nothing of what is being fetched, and lets nobody new wait for it', async () => {
    const { fetch, given, asked, state } = source();
    const ring = createKeyRing({ fetch });
    const release = shut(state);
    const before = [ring.current(tenantA, 'content'), ring.version(tenantA, 'content', 9)];
    const other = ring.current(tenantB, 'content');
    ring.forget(tenantA);
    const after = ring.current(tenantA, 'content');
    release();
    for (const { key } of await Promise.all([...before, after, other])) expect(key).to.deep.equal(ones);
    await nextTurn();
    expect(asked.map(({ tenantId }) => tenantId)).to.deep.equal([tenantA, tenantA, tenantB, tenantA]);
    expect(given, 'only what was asked for after, and the other tenant').to.deep.equal([zeros, zeros, ones, ones]);
    await Promise.all([ring.current(tenantA, 'content'), ring.current(tenantB, 'content')]);
    expect(asked).to.have.length(4);
    await ring.version(tenantA, 'content', 9);
    expect(asked, 'the version that was on its way').to.have.length(5);
  });

  for (const depth of [1, 2, 3, 4, 5]) {
    it(`gives no zeros for a key to who waits, when it is forgotten ${String(depth)} steps after it came`, async () => {
      const { fetch, state, asked, unused } = source();
      let answers = 0;
      const ring = createKeyRing({
        fetch: async (...wanted) => {
          const answer = await fetch(...wanted);
          answers += 1;
          forgetIn(answers === 1 ? depth : 0);
          return answer;
        },
      });
      const forgetIn = (steps: number): void => {
        if (steps === 1) ring.forget(tenantA);
        else if (steps > 1) {
          queueMicrotask(() => {
            forgetIn(steps - 1);
          });
        }
      };
      const release = shut(state);
      const asking = Array.from({ length: 20 }, () => [
        ring.current(tenantA, 'content'),
        ring.version(tenantA, 'content', 1),
      ]);
      release();
      for (const { key } of await Promise.all(asking.flat())) expect(key).to.deep.equal(ones);
      ring.refresh(tenantA);
      await nextTurn();
      const leased = 1000 * asked.filter(({ version }) => version === 0).length;
      await ring.current(tenantA, 'content');
      const returned = unused().reduce((sum, given) => sum + (given?.uses ?? 0), 0);
      expect(leased - returned, 'hand-outs that are counted').to.equal(20);
    });
  }
});

describe('key ring: refresh', () => {
  it('asks again for what is current, and goes on opening with what it holds', async () => {
    const { fetch, given, asked, state } = source();
    const ring = createKeyRing({ fetch });
    await use(ring, 1);
    await ring.current(tenantB, 'content');
    state.current = 2;
    ring.refresh(tenantA);
    expect(given).to.deep.equal([ones, ones]);
    expect((await ring.version(tenantA, 'content', 1)).version).to.equal(1);
    expect(asked).to.have.length(2);
    expect((await ring.current(tenantA, 'content')).version).to.equal(2);
    expect((await ring.current(tenantB, 'content')).version, 'another tenant').to.equal(1);
    expect(asked).to.have.length(3);
  });

  it('does not believe an answer that was on its way, and lets nobody new wait for it', async () => {
    const { fetch, asked, state } = source();
    const ring = createKeyRing({ fetch });
    const release = shut(state);
    const before = ring.current(tenantA, 'content');
    state.current = 2;
    ring.refresh(tenantA);
    const after = ring.current(tenantA, 'content');
    release();
    expect([(await before).version, (await after).version]).to.deep.equal([1, 2]);
    expect((await ring.current(tenantA, 'content')).version).to.equal(2);
    expect((await ring.version(tenantA, 'content', 1)).version).to.equal(1);
    expect(asked, 'the old one was kept for opening').to.have.length(2);
  });

  it('comes by itself when an answer about an old version names a newer one', async () => {
    const { fetch, state } = source();
    const ring = createKeyRing({ fetch });
    await use(ring, 1);
    state.current = 3;
    await ring.version(tenantA, 'content', 2);
    expect((await ring.current(tenantA, 'content')).version).to.equal(3);
  });
});
