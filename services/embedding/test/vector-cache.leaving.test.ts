import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import type { CachedOf } from '../src/ports.ts';
import {
  modelOf,
  onRedis,
  openCacheBench,
  openRawRedis,
  openRelay,
  vectorOf,
  type CacheBench,
  type RawRedis,
  type Relay,
} from './support/redis.ts';

const texts = Array.from({ length: 100 }, (_, index) => `Ward round ${String(index)}.`);
const vectors = new Map(texts.map((text, index) => [text, vectorOf(index)]));

onRedis('cache of vectors: a tenant that leaves', (redisUrl) => {
  let relay: Relay;
  let raw: RawRedis;
  let bench: CacheBench;
  const newPlace = (): CachedOf => ({ tenantId: randomUUID(), model: modelOf() });
  const gone = async ({ tenantId }: CachedOf): Promise<unknown> =>
    eventually(async () => (await raw.names(tenantId)).length === 0, { description: 'its entries to be gone' });
  const removed = () => bench.count('cache_removed_vectors_total');
  beforeEach(async () => {
    relay = await openRelay(redisUrl);
    raw = openRawRedis(redisUrl);
    bench = await openCacheBench(relay.url);
  });
  afterEach(async () => {
    await bench.close();
    await relay.cut();
    raw.close();
  });

  it('loses its entries, of every model, and nobody else any', async () => {
    const [leaver, stayer] = [newPlace(), newPlace()];
    const smaller = { ...leaver, model: modelOf('amazon.titan-embed-text-v2:0/256') };
    for (const place of [leaver, smaller, stayer]) await bench.cache.keep(place, vectors);
    await raw.redis.set(`of-somebody-else:${leaver.tenantId}`, 'kept');
    bench.cache.remove(leaver.tenantId);
    await eventually(async () => (await removed()) === 2 * texts.length, { description: 'its entries to be gone' });
    expect(await raw.names(leaver.tenantId)).to.deep.equal([`of-somebody-else:${leaver.tenantId}`]);
    expect(await raw.names(stayer.tenantId)).to.have.length(texts.length);
    await raw.redis.del(`of-somebody-else:${leaver.tenantId}`);
  });

  it('among many that leave at once, as the first word of tenant-key has them', async () => {
    const [first, second, stayer] = [newPlace(), newPlace(), newPlace()];
    for (const place of [first, second, stayer]) await bench.cache.keep(place, vectors);
    for (let index = 0; index < 100; index += 1) bench.cache.remove(randomUUID());
    for (const { tenantId } of [first, second]) bench.cache.remove(tenantId);
    await gone(first);
    await gone(second);
    expect(await raw.names(stayer.tenantId)).to.have.length(texts.length);
    // Told again, there is nothing to do.
    bench.cache.remove(first.tenantId);
    expect(await removed()).to.equal(2 * texts.length);
  });

  it('loses them although the cache was away when it left', async () => {
    const leaver = newPlace();
    await bench.cache.keep(leaver, vectors);
    await relay.cut();
    bench.cache.remove(leaver.tenantId);
    const failures = () => bench.count('cache_failures_total', { operation: 'remove' });
    await eventually(async () => (await failures()) >= 2, { description: 'two passes in vain' });
    expect(await raw.names(leaver.tenantId)).to.have.length(texts.length);
    await relay.mend();
    await gone(leaver);
  });

  it('loses what was just being kept when it left, too', async () => {
    const leaver = newPlace();
    const { keys } = bench;
    let answer = (): void => undefined;
    keys.before = () => new Promise((resolve) => (answer = resolve));
    const keeping = bench.cache.keep(leaver, vectors);
    await eventually(() => keys.asked.some((asked) => asked.startsWith(leaver.tenantId)), {
      description: 'the key to be asked for',
    });
    bench.cache.remove(leaver.tenantId);
    keys.before = () => Promise.resolve();
    answer();
    await keeping;
    await eventually(async () => (await removed()) === texts.length, { description: 'its entries to be gone' });
    expect(await raw.names(leaver.tenantId)).to.deep.equal([]);
  });

  it('keeps nobody from closing', async () => {
    await relay.cut();
    bench.cache.remove(randomUUID());
    await bench.cache.close();
  });
});
