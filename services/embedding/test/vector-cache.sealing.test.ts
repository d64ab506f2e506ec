import { createHash, createHmac, randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import type { CachedOf } from '../src/ports.ts';
import {
  createTestKeys,
  modelOf,
  onRedis,
  openCacheBench,
  openRawRedis,
  vectorOf,
  type CacheBench,
  type RawRedis,
} from './support/redis.ts';

const text = 'Cardiology letter\nMetformin 500 mg was started for Mrs Achterberg on 3 May.';
const other = 'Cardiology letter\nAmlodipine was stopped.';

onRedis('cache of vectors: what is found', (redisUrl) => {
  let raw: RawRedis;
  let bench: CacheBench;
  let of: CachedOf;
  const readOf = async (asked: CachedOf, wanted = text, by = bench) =>
    (await by.cache.read(asked, [wanted])).get(wanted);
  const count = (result: string) => bench.count('cached_vectors_total', { result });
  const nameOf = async (tenantId = of.tenantId): Promise<string> => (await raw.names(tenantId))[0] ?? 'none';
  beforeEach(async () => {
    raw = openRawRedis(redisUrl);
    bench = await openCacheBench(redisUrl);
    of = { tenantId: randomUUID(), model: modelOf() };
  });
  afterEach(async () => {
    await bench.close();
    raw.close();
  });

  it('is what was kept, to the bit, for another process too; the rest is not there', async () => {
    await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
    const another = await openCacheBench(redisUrl, { keys: bench.keys });
    const missed = await count('miss');
    try {
      for (const { cache } of [bench, another]) {
        expect([...(await cache.read(of, [other, text]))]).to.deep.equal([[text, vectorOf(1)]]);
      }
    } finally {
      await another.close();
    }
    expect([await count('hit'), (await count('miss')) - missed]).to.deep.equal([1, 1]);
  });

  it('takes one round trip for all texts, and nothing for none', async () => {
    const texts = Array.from({ length: 32 }, (_, index) => `${text} ${String(index)}`);
    await bench.cache.keep(of, new Map(texts.map((one, index) => [one, vectorOf(index)])));
    const found = await bench.cache.read(of, texts);
    expect(texts.map((one) => found.get(one))).to.deep.equal(texts.map((_, index) => vectorOf(index)));
    expect((await bench.cache.read(of, [])).size).to.equal(0);
    await bench.cache.keep(of, new Map());
    expect(await raw.names(of.tenantId)).to.have.length(32);
  });

  it('is there for its time and no longer', async () => {
    await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
    expect(await raw.redis.pttl(await nameOf())).to.be.within(1, 60_000);
    const brief = await openCacheBench(redisUrl, { keys: bench.keys, ttlMs: 1 });
    try {
      await brief.cache.keep(of, new Map([[other, vectorOf(2)]]));
      await eventually(async () => (await readOf(of, other)) === undefined, { description: 'the entry to be gone' });
    } finally {
      await brief.close();
    }
  });

  it('is nothing of another tenant, whose entries have other names, nor of another model', async () => {
    const theirs: CachedOf = { ...of, tenantId: randomUUID() };
    const smaller: CachedOf = { ...of, model: modelOf('amazon.titan-embed-text-v2:0/512') };
    for (const one of [of, theirs, smaller]) await bench.cache.keep(one, new Map([[text, vectorOf(1)]]));
    const names = [...(await raw.names(of.tenantId)), ...(await raw.names(theirs.tenantId))];
    const digests = names.map((name) => name.split(':').at(-1));
    expect(new Set(digests).size).to.equal(3);
    await raw.redis.del(...(await raw.names(theirs.tenantId)));
    expect(await readOf(theirs)).to.equal(undefined);
    expect(await readOf({ ...of, model: modelOf('amazon.titan-embed-text-v2:0/256') })).to.equal(undefined);
  });

  it('is nothing that was moved: to another tenant, another model, another text', async () => {
    const theirs: CachedOf = { ...of, tenantId: randomUUID() };
    const smaller: CachedOf = { ...of, model: modelOf('amazon.titan-embed-text-v2:0/512') };
    await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
    const sealed = (await raw.redis.get(await nameOf())) ?? '';
    const places = [
      [theirs, text],
      [smaller, text],
      [of, other],
    ] as const;
    for (const [place, wanted] of places) {
      const before = await raw.names(place.tenantId);
      await bench.cache.keep(place, new Map([[wanted, vectorOf(2)]]));
      const [name = ''] = (await raw.names(place.tenantId)).filter((one) => !before.includes(one));
      await raw.redis.set(name, sealed);
      expect(await readOf(place, wanted)).to.equal(undefined);
    }
    expect(await count('unreadable')).to.equal(places.length);
    expect(await readOf(of)).to.deep.equal(vectorOf(1));
  });

  it('is nothing with one bit flipped, cut, blown up or of another type, and is mended by the next write', async () => {
    await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
    const name = await nameOf();
    const sealed = Buffer.from((await raw.redis.get(name)) ?? '');
    const damaged = Array.from({ length: sealed.length }, (_, at) => {
      const copy = Buffer.from(sealed);
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 7));
      return copy;
    });
    const wrong = [...damaged, sealed.subarray(0, -1), Buffer.concat([sealed, Buffer.alloc(9_000_000, 'A')]), 'clear'];
    for (const value of wrong) {
      await raw.redis.set(name, value);
      expect(await readOf(of)).to.equal(undefined);
    }
    expect(await count('unreadable')).to.equal(wrong.length);
    await raw.redis.del(name);
    await raw.redis.sadd(name, 'a set');
    expect(await readOf(of)).to.equal(undefined);
    expect(await count('unreadable')).to.equal(wrong.length + 1);
    await bench.cache.keep(of, new Map([[text, vectorOf(3)]]));
    expect(await readOf(of)).to.deep.equal(vectorOf(3));
    expect(await bench.count('cache_failures_total', { operation: 'keep' })).to.equal(0);
  });

  it('is nothing of another number of dimensions', async () => {
    await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
    expect(await readOf({ ...of, model: modelOf(of.model.id, 16) })).to.equal(undefined);
    expect(await count('unreadable')).to.equal(1);
  });

  it('is nothing of an older key, and asks for no version that an entry makes up', async () => {
    await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
    const [old] = await raw.names(of.tenantId);
    bench.keys.current = 2;
    bench.keys.ring.refresh(of.tenantId);
    expect(await readOf(of)).to.equal(undefined);
    await bench.cache.keep(of, new Map([[text, vectorOf(2)]]));
    expect(await readOf(of)).to.deep.equal(vectorOf(2));
    const [fresh = ''] = (await raw.names(of.tenantId)).filter((name) => name !== old);
    expect(fresh.split(':').at(-1)).not.to.equal(old?.split(':').at(-1));
    // In the new place, the old value and one that names a version of the future.
    const sealed = (await raw.redis.get(fresh)) ?? '';
    const [header = '', ...rest] = sealed.split('.');
    const future = Buffer.from(header, 'base64url').toString().replace(`${of.tenantId}/2`, `${of.tenantId}/99`);
    for (const value of [
      await raw.redis.get(old ?? ''),
      [Buffer.from(future).toString('base64url'), ...rest].join('.'),
    ]) {
      await raw.redis.set(fresh, value ?? '');
      expect(await readOf(of)).to.equal(undefined);
    }
    expect(await count('unreadable')).to.equal(2);
    // Never by the version that an entry names: the ring holds what `current` gave.
    expect(new Set(bench.keys.asked.filter((asked) => asked.startsWith(of.tenantId)))).to.deep.equal(
      new Set([`${of.tenantId}/objects/0`]),
    );
  });

  it('is nothing without the keys of the tenant: neither its place is found, nor does it open', async () => {
    await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
    const [ours = ''] = await raw.names(of.tenantId);
    const thief = await openCacheBench(redisUrl, { keys: createTestKeys('of somebody else') });
    try {
      expect(await readOf(of, text, thief)).to.equal(undefined);
      await thief.cache.keep(of, new Map([[text, vectorOf(2)]]));
      const [theirs = ''] = (await raw.names(of.tenantId)).filter((name) => name !== ours);
      await raw.redis.copy(ours, theirs, 'REPLACE');
      expect(await readOf(of, text, thief)).to.equal(undefined);
      expect(await thief.count('cached_vectors_total', { result: 'unreadable' })).to.equal(1);
    } finally {
      await thief.close();
    }
  });
});

onRedis('cache of vectors: what stands there', (redisUrl) => {
  it('is no text, no plain digest of one, and no vector', async () => {
    const raw = openRawRedis(redisUrl);
    const bench = await openCacheBench(redisUrl);
    const of: CachedOf = { tenantId: randomUUID(), model: modelOf() };
    try {
      await bench.cache.keep(
        of,
        new Map([
          [text, vectorOf(1)],
          [other, vectorOf(2)],
        ]),
      );
      const names = await raw.names(of.tenantId);
      expect(names).to.have.length(2);
      const values = await Promise.all(names.map(async (name) => (await raw.redis.get(name)) ?? ''));
      // As it stands there, and with every part of every value decoded.
      const decoded = values.flatMap((value) => value.split('.').map((part) => Buffer.from(part, 'base64url')));
      const dump = Buffer.concat([...[...names, ...values].map((line) => Buffer.from(`${line}\n`)), ...decoded]);
      expect(dump.includes(of.tenantId)).to.equal(true);
      const { key } = await bench.keys.ring.current(of.tenantId, 'objects');
      for (const clear of [text, other]) {
        for (const word of clear.match(/\w{5,}/g) ?? []) expect(dump.includes(word), word).to.equal(false);
        const digests = ['sha256', 'sha512', 'sha1', 'md5'].map((name) => createHash(name).update(clear).digest());
        const keyed = [clear, `${of.model.id}\0${clear}`].map((told) =>
          createHmac('sha256', key).update(told).digest(),
        );
        for (const digest of [...digests, ...keyed]) {
          for (const form of ['hex', 'base64', 'base64url'] as const) {
            expect(dump.includes(digest.toString(form)), form).to.equal(false);
          }
          expect(dump.includes(digest)).to.equal(false);
        }
      }
      for (const vector of [vectorOf(1), vectorOf(2)]) {
        const bytes = Buffer.from(vector.buffer);
        // Any three of its values, which are no accident.
        for (let at = 0; at + 12 <= bytes.length; at += 4) {
          expect(dump.includes(bytes.subarray(at, at + 12))).to.equal(false);
          expect(dump.includes(bytes.subarray(at, at + 12).toString('base64url'))).to.equal(false);
        }
      }
    } finally {
      await bench.close();
      raw.close();
    }
  });

  it('serves a user of Redis that may do no more than the README asks for', async () => {
    const raw = openRawRedis(redisUrl);
    const [user, password] = [`cache-${randomUUID()}`, randomUUID()];
    const rules = ['+@read', '+@write', '+@connection', '+info', '~wardstone:vectors:*'];
    await raw.redis.call('ACL', 'SETUSER', user, 'reset', 'on', `>${password}`, ...rules);
    const url = new URL(redisUrl);
    [url.username, url.password] = [user, password];
    const bench = await openCacheBench(url.href);
    const of: CachedOf = { tenantId: randomUUID(), model: modelOf() };
    try {
      await bench.cache.keep(of, new Map([[text, vectorOf(1)]]));
      expect((await bench.cache.read(of, [text])).get(text)).to.deep.equal(vectorOf(1));
      bench.cache.remove(of.tenantId);
      await eventually(async () => (await bench.count('cache_removed_vectors_total')) === 1);
      expect(await bench.count('cache_failures_total', { operation: 'keep' })).to.equal(0);
    } finally {
      await bench.close();
      await raw.redis.call('ACL', 'DELUSER', user);
      raw.close();
    }
  });
});
