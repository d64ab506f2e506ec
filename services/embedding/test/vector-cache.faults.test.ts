import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import type { CachedOf } from '../src/ports.ts';
import {
  brisk,
  modelOf,
  onRedis,
  openCacheBench,
  openRawRedis,
  openRelay,
  patient,
  serves,
  vectorOf,
  type CacheBench,
  type RawRedis,
  type Relay,
} from './support/redis.ts';

const text = 'Nephrology letter\nCreatinine 1.1 mg/dl.';

onRedis('cache of vectors: what is away, slow or full', (redisUrl) => {
  let relay: Relay;
  let raw: RawRedis;
  let bench: CacheBench | undefined;
  const of = (): CachedOf => ({ tenantId: randomUUID(), model: modelOf() });
  const failures = async (operation: string) => (await bench?.count('cache_failures_total', { operation })) ?? -1;
  const warnings = () => (bench?.logLines ?? []).filter((line) => line.includes('cache of vectors'));
  const isEmpty = async (place: CachedOf, by: CacheBench) => (await by.cache.read(place, [text])).size === 0;
  /** With a server that takes no more. The tests' own has no bound otherwise. */
  const whileFull = async (work: () => Promise<void>): Promise<void> => {
    await raw.redis.config('SET', 'maxmemory', '1');
    try {
      await work();
    } finally {
      await raw.redis.config('SET', 'maxmemory', '0');
    }
  };
  beforeEach(async () => {
    relay = await openRelay(redisUrl);
    raw = openRawRedis(redisUrl);
  });
  afterEach(async () => {
    await bench?.close();
    bench = undefined;
    await relay.cut();
    raw.close();
  });

  it('away at the start: nothing is found or kept, nothing fails; it serves when it is there', async () => {
    await relay.cut();
    bench = await openCacheBench(relay.url, { waits: false });
    const [by, place] = [bench, of()];
    expect(await isEmpty(place, by)).to.equal(true);
    await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    expect([await failures('read'), await failures('keep')]).to.deep.equal([1, 1]);
    expect(by.keys.asked).to.deep.equal([]);
    await relay.mend();
    await eventually(async () => serves(by), { description: 'the cache to be there' });
    await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    expect((await by.cache.read(place, [text])).get(text)).to.deep.equal(vectorOf(1));
  });

  it('dies and comes back', async () => {
    bench = await openCacheBench(relay.url);
    const [by, place] = [bench, of()];
    await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    await relay.cut();
    expect(await isEmpty(place, by)).to.equal(true);
    await by.cache.keep(place, new Map([[text, vectorOf(2)]]));
    await relay.mend();
    await eventually(async () => !(await isEmpty(place, by)), { description: 'the cache to be back' });
  });

  it('silent: each call ends, with nothing; the connection is made anew', async () => {
    bench = await openCacheBench(relay.url, { tuning: brisk });
    const [by, place] = [bench, of()];
    await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    relay.hush();
    const before = await failures('read');
    expect(await isEmpty(place, by)).to.equal(true);
    await by.cache.keep(place, new Map([[text, vectorOf(2)]]));
    expect([(await failures('read')) - before, await failures('keep')]).to.deep.equal([1, 1]);
    await relay.mend();
    await eventually(async () => !(await isEmpty(place, by)), { description: 'the cache to serve again' });
  });

  it('is left alone for a while after a fault, so that not every part of a document waits for it', async () => {
    bench = await openCacheBench(relay.url, { tuning: { ...brisk, restMs: 3_600_000 } });
    const [by, place] = [bench, of()];
    relay.hush();
    const before = await failures('read');
    for (let part = 0; part < 50; part += 1) expect(await isEmpty(place, by)).to.equal(true);
    await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    expect([(await failures('read')) - before, await failures('keep')]).to.deep.equal([1, 0]);
  });

  it('full: what does not fit is not kept, and what is there is found', async () => {
    bench = await openCacheBench(relay.url);
    const [by, place] = [bench, of()];
    await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    await whileFull(async () => by.cache.keep(place, new Map([['Another one.', vectorOf(2)]])));
    expect(await failures('keep')).to.equal(1);
    expect([...(await by.cache.read(place, [text, 'Another one.'])).keys()]).to.deep.equal([text]);
    const told = warnings().map((line) => JSON.parse(line) as { level: string; code: string });
    expect(told.map(({ level, code }) => `${level} ${code}`)).to.include('warn OOM');
  });

  it('is told once in a while, without names, values or texts', async () => {
    bench = await openCacheBench(relay.url);
    const [by, place] = [bench, of()];
    await whileFull(async () => {
      for (let part = 0; part < 5; part += 1) await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    });
    await relay.cut();
    for (let part = 0; part < 5; part += 1) await isEmpty(place, by);
    expect(await failures('keep')).to.equal(5);
    const codes = warnings().map((line) => (JSON.parse(line) as { code: string }).code);
    expect(codes.sort()).to.deep.equal(['OOM', 'OTHER']);
    for (const hidden of [place.tenantId, 'Nephrology', 'wardstone:vectors', 'vector-cache/', 'eyJ']) {
      expect(by.logLines.join('')).not.to.contain(hidden);
    }
  });

  it('keys that cannot be had, or not in time, are no failure of anybody else, and no fault of the cache', async () => {
    bench = await openCacheBench(relay.url, { tuning: { ...patient, timeoutMs: 700, restMs: 3_600_000 } });
    const [by, place, another] = [bench, of(), of()];
    const before = await failures('read');
    by.keys.before = () => Promise.reject(new AppError('KEY_UNAVAILABLE'));
    expect(await isEmpty(place, by)).to.equal(true);
    await by.cache.keep(place, new Map([[text, vectorOf(1)]]));
    let answer = (): void => undefined;
    by.keys.before = () => new Promise((resolve) => (answer = resolve));
    expect(await isEmpty(place, by)).to.equal(true);
    answer();
    by.keys.before = () => Promise.resolve();
    await by.cache.keep(another, new Map([[text, vectorOf(2)]]));
    expect((await by.cache.read(another, [text])).get(text)).to.deep.equal(vectorOf(2));
    expect([(await failures('read')) - before, await failures('keep')]).to.deep.equal([2, 1]);
  });
});
