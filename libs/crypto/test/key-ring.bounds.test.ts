import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { createKeyRing, type FetchedKey } from '../src/index.ts';
import { fixedRing, rejection, tenantA, tenantB } from './support.ts';

/** A source that hands out keys of ones and keeps hold of the bytes, to see what becomes of them. */
function source(maxAgeMs = 1000): {
  given: Uint8Array[];
  fetch: (t: string, p: string, v: number) => Promise<FetchedKey>;
} {
  const given: Uint8Array[] = [];
  return {
    given,
    fetch: (_tenant, _purpose, version) => {
      const key = new Uint8Array(32).fill(1);
      given.push(key);
      return Promise.resolve({ key, version: version === 0 ? 3 : version, currentVersion: 3, maxAgeMs });
    },
  };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ones = new Uint8Array(32).fill(1);
const zeros = new Uint8Array(32);

describe('key ring: bounds', () => {
  it('makes one fetch for 1,000 concurrent requests of one cold key, and everybody gets the key', async () => {
    const { fetch, given } = source();
    const ring = createKeyRing({ fetch });
    const keys = await Promise.all(Array.from({ length: 1000 }, () => ring.current(tenantA, 'objects')));
    await nextTurn();
    expect(given).to.have.length(1);
    for (const { key, version } of keys) expect([version, key]).to.deep.equal([3, ones]);
  });

  it('answers for the current version from the same entry as for its number', async () => {
    const { ring, asked } = fixedRing({ current: 2 });
    const current = await ring.current(tenantA, 'content');
    const byNumber = await ring.version(tenantA, 'content', 2);
    expect(byNumber).to.deep.equal(current);
    expect(asked).to.have.length(1);
    await ring.version(tenantA, 'content', 1);
    await ring.current(tenantA, 'content');
    expect(asked).to.deep.equal([`${tenantA}/content/0`, `${tenantA}/content/1`]);
  });

  it('keeps tenants and purposes apart', async () => {
    const { ring, asked } = fixedRing();
    const keys = [
      await ring.current(tenantA, 'objects'),
      await ring.current(tenantA, 'content'),
      await ring.current(tenantB, 'objects'),
    ];
    expect(asked).to.have.length(3);
    expect(new Set(keys.map(({ key }) => Buffer.from(key).toString('hex'))).size).to.equal(3);
  });

  it('asks again once the age that the source allows has passed, and not a millisecond before', async () => {
    let nowMs = 5;
    const { fetch, given } = source(1000);
    const ring = createKeyRing({ fetch, now: () => nowMs });
    await ring.current(tenantA, 'objects');
    nowMs += 1000;
    await ring.current(tenantA, 'objects');
    expect(given).to.have.length(1);
    nowMs += 1;
    await ring.current(tenantA, 'objects');
    expect(given).to.have.length(2);
  });

  it('does not keep a key that may not be kept', async () => {
    const { fetch, given } = source(0);
    const ring = createKeyRing({ fetch });
    await ring.current(tenantA, 'objects');
    await ring.current(tenantA, 'objects');
    expect(given).to.have.length(2);
  });

  it('asks again after maxUses hand-outs', async () => {
    const { fetch, given } = source();
    const ring = createKeyRing({ fetch, maxUses: 3 });
    for (let use = 0; use < 4; use += 1) await ring.current(tenantA, 'objects');
    expect(given).to.have.length(1);
    await ring.current(tenantA, 'objects');
    expect(given).to.have.length(2);
  });

  it('holds at most maxKeys and drops the least recently used', async () => {
    const { fetch, given } = source();
    const ring = createKeyRing({ fetch, maxKeys: 2 });
    await ring.version(tenantA, 'objects', 1);
    await ring.version(tenantA, 'objects', 2);
    await ring.version(tenantA, 'objects', 1);
    await ring.version(tenantA, 'objects', 4);
    await ring.version(tenantA, 'objects', 1);
    expect(given).to.have.length(3);
    await ring.version(tenantA, 'objects', 2);
    expect(given).to.have.length(4);
  });

  it('refuses what is no version before it asks', async () => {
    const { ring, asked } = fixedRing();
    for (const version of [0, -1, 1.5, Number.NaN]) {
      const error = await rejection(ring.version(tenantA, 'objects', version));
      expect((error as AppError).reason).to.equal('KEY_VERSION_NOT_FOUND');
    }
    expect(asked).to.deep.equal([]);
  });

  it('refuses a source that answers with another version or a short key, and wipes what it got', async () => {
    const wrong = { key: new Uint8Array(32).fill(1), version: 2, currentVersion: 3, maxAgeMs: 1000 };
    const short = { key: new Uint8Array(16).fill(1), version: 3, currentVersion: 3, maxAgeMs: 1000 };
    for (const answer of [wrong, short]) {
      const ring = createKeyRing({ fetch: () => Promise.resolve(answer) });
      const error = await rejection(ring.current(tenantA, 'objects'));
      expect((error as AppError).reason).to.equal('KEY_UNAVAILABLE');
      expect(answer.key.every((byte) => byte === 0)).to.equal(true);
    }
  });

  it('tells everybody who waits of a failure, keeps nothing, and asks again', async () => {
    let failures = 0;
    const { fetch } = source();
    const ring = createKeyRing({
      fetch: (tenantId, purpose, version) => {
        failures += 1;
        if (failures === 1) return Promise.reject(new AppError('KEY_UNAVAILABLE'));
        return fetch(tenantId, purpose, version);
      },
    });
    const results = await Promise.allSettled([ring.current(tenantA, 'objects'), ring.current(tenantA, 'objects')]);
    expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    expect((await ring.current(tenantA, 'objects')).key).to.deep.equal(ones);
  });
});

describe('key ring: wiping', () => {
  it('wipes the fetched bytes of a key that is not kept once everybody has a copy', async () => {
    const { fetch, given } = source(0);
    const ring = createKeyRing({ fetch });
    const keys = await Promise.all([ring.current(tenantA, 'objects'), ring.current(tenantA, 'objects')]);
    await nextTurn();
    expect(given).to.deep.equal([zeros]);
    for (const { key } of keys) expect(key).to.deep.equal(ones);
  });

  it('wipes the bytes it holds when their age has passed, though nobody asks any more', async () => {
    const { fetch, given } = source(20);
    const ring = createKeyRing({ fetch });
    const { key } = await ring.current(tenantA, 'objects');
    expect(given).to.deep.equal([ones]);
    await eventually(() => given[0]?.every((byte) => byte === 0), { description: 'the bytes to be zero' });
    expect(key).to.deep.equal(ones);
  });

  it('wipes the bytes it holds when others take their place, and when it is cleared', async () => {
    const { fetch, given } = source();
    const ring = createKeyRing({ fetch, maxKeys: 2, maxUses: 1 });
    await ring.version(tenantA, 'objects', 1);
    await ring.version(tenantA, 'objects', 2);
    await ring.version(tenantA, 'objects', 3);
    expect(given, 'the least recently used').to.deep.equal([zeros, ones, ones]);
    await ring.version(tenantA, 'objects', 2);
    await ring.version(tenantA, 'objects', 2);
    expect(given, 'used up').to.deep.equal([zeros, zeros, ones, ones]);
    ring.clear();
    expect(given).to.deep.equal([zeros, zeros, zeros, zeros]);
  });

  it('hands out copies: who wipes one does not harm the next', async () => {
    const { fetch } = source();
    const ring = createKeyRing({ fetch });
    (await ring.current(tenantA, 'objects')).key.fill(0);
    await nextTurn();
    expect((await ring.current(tenantA, 'objects')).key).to.deep.equal(ones);
  });

  it('forgets everything on clear, also what is being fetched', async () => {
    const { fetch, given } = source();
    const { promise: gate, resolve: release } = Promise.withResolvers<undefined>();
    const ring = createKeyRing({
      fetch: async (tenantId, purpose, version) => {
        await gate;
        return fetch(tenantId, purpose, version);
      },
    });
    const waiting = ring.current(tenantA, 'objects');
    ring.clear();
    release(undefined);
    expect((await waiting).key).to.deep.equal(ones);
    await ring.current(tenantA, 'objects');
    expect(given).to.have.length(2);
    ring.clear();
    await ring.current(tenantA, 'objects');
    expect(given).to.have.length(3);
  });

  it('forgets everything when it is closed', async () => {
    const { fetch, given } = source();
    const ring = createKeyRing({ fetch });
    await ring.current(tenantA, 'objects');
    await ring.close();
    await ring.current(tenantA, 'objects');
    expect(given).to.have.length(2);
  });
});
