/** What every ObjectStore does, whatever is behind it. The file store passes it here; S3 passes the same suite. */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import type { ObjectStore } from '../src/index.ts';

/** A store to test, empty, and how to take it down. */
export interface StoreUnderTest {
  readonly store: ObjectStore;
  close(): Promise<void>;
}

export async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function keysOf(store: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(prefix)) keys.push(key);
  return keys.sort();
}

export async function* pieces(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  }
}

export async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'no error';
  } catch (error) {
    return error instanceof AppError ? error.reason : String(error);
  }
}

/** Registers the suite. `open` is called for each test. */
export function objectStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`object store contract: ${name}`, () => {
    let under: StoreUnderTest;
    let store: ObjectStore;
    beforeEach(async () => {
      under = await open();
      store = under.store;
    });
    afterEach(() => under.close());
    describe('bytes', () => testBytes(() => store));
    describe('conditions', () => testConditions(() => store));
    describe('names', () => testNames(() => store));
    describe('failures in the middle', () => testFailures(() => store));
  });
}

function testBytes(store: () => ObjectStore): void {
  it('gives back what was put, in pieces, empty, and large', async () => {
    const large = randomBytes(5 * 1024 * 1024 + 3);
    expect(await store().put('a', pieces('one', '', 'two'))).to.deep.equal({ bytes: 6 });
    expect(await store().put('b/empty', pieces())).to.deep.equal({ bytes: 0 });
    expect(await store().put('b/large', pieces(large.subarray(0, 10), large.subarray(10)))).to.deep.equal({
      bytes: large.length,
    });
    expect((await bytesOf(await store().get('a'))).toString()).to.equal('onetwo');
    expect((await bytesOf(await store().get('b/empty'))).length).to.equal(0);
    expect((await bytesOf(await store().get('b/large'))).equals(large)).to.equal(true);
  });

  it('knows sizes, and says so when there is nothing', async () => {
    await store().put('a', pieces('12345'));
    expect(await store().head('a')).to.include({ bytes: 5 });
    expect(await store().head('b')).to.equal(undefined);
    expect(await reasonOf(store().get('b'))).to.equal('NOT_FOUND');
  });

  it('replaces whole: a reader that has begun sees the old bytes, the next one the new', async () => {
    const old = randomBytes(2 * 1024 * 1024);
    await store().put('a', pieces(old));
    const reader = await store().get('a');
    await store().put('a', pieces('new'));
    expect((await bytesOf(reader)).equals(old)).to.equal(true);
    expect((await bytesOf(await store().get('a'))).toString()).to.equal('new');
  });

  it('lets one of many concurrent puts of a key win, whole', async () => {
    const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(100_000, index));
    await Promise.all(
      bodies.map((body) => store().put('a/b', pieces(body.subarray(0, 50_000), body.subarray(50_000)))),
    );
    const won = await bytesOf(await store().get('a/b'));
    expect(bodies.some((body) => body.equals(won))).to.equal(true);
    expect(await keysOf(store())).to.deep.equal(['a/b']);
  });

  it('is usable, and says so', async () => {
    await store().check();
  });
}

function testConditions(store: () => ObjectStore): void {
  const etagOf = async (key: string): Promise<string> => (await store().head(key))?.etag ?? '';

  it('replaces what was seen, once', async () => {
    await store().put('a', pieces('one'));
    const ifMatch = await etagOf('a');
    expect(await etagOf('a')).to.equal(ifMatch);
    expect(await store().put('a', pieces('two'), { ifMatch })).to.deep.equal({ bytes: 3 });
    expect(await etagOf('a')).not.to.equal(ifMatch);
    expect(await reasonOf(store().put('a', pieces('three'), { ifMatch }))).to.equal('OBJECT_CHANGED');
    expect((await bytesOf(await store().get('a'))).toString()).to.equal('two');
  });

  it('does not bring back what was deleted', async () => {
    await store().put('a', pieces('one'));
    const ifMatch = await etagOf('a');
    await store().delete('a');
    expect(await reasonOf(store().put('a', pieces('two'), { ifMatch }))).to.equal('OBJECT_CHANGED');
    expect(await keysOf(store())).to.deep.equal([]);
  });
}

function testNames(store: () => ObjectStore): void {
  it('keeps an object and the objects under its name apart', async () => {
    await store().put('a', pieces('1'));
    await store().put('a/b', pieces('2'));
    await store().put('a/b/c', pieces('3'));
    expect((await bytesOf(await store().get('a/b'))).toString()).to.equal('2');
    expect(await keysOf(store())).to.deep.equal(['a', 'a/b', 'a/b/c']);
  });

  it('lists and deletes by whole segments only', async () => {
    for (const key of ['t/1/x', 't/1/y/z', 't/10/x', 't/1', 'u/1']) await store().put(key, pieces('.'));
    expect(await keysOf(store(), 't/1')).to.deep.equal(['t/1/x', 't/1/y/z']);
    expect(await keysOf(store(), 'none')).to.deep.equal([]);
    expect(await store().deletePrefix('t/1')).to.equal(2);
    expect(await store().deletePrefix('t/1')).to.equal(0);
    expect(await store().deletePrefix('none')).to.equal(0);
    expect(await keysOf(store())).to.deep.equal(['t/1', 't/10/x', 'u/1']);
  });

  it('deletes, and deleting again does nothing', async () => {
    await store().put('a/b/c', pieces('.'));
    await store().delete('a/b/c');
    await store().delete('a/b/c');
    expect(await store().head('a/b/c')).to.equal(undefined);
    await store().put('a/b/c', pieces('again'));
    expect(await store().head('a/b/c')).to.include({ bytes: 5 });
  });

  it('keeps what readers see when it removes what was replaced', async () => {
    for (const body of ['one', 'two', 'three']) await store().put('a', pieces(body));
    await store().put('a/b', pieces('under'));
    await store().put('a.b', pieces('beside'));
    await store().deleteReplaced('a');
    await store().deleteReplaced('a');
    await store().deleteReplaced('none');
    expect((await bytesOf(await store().get('a'))).toString()).to.equal('three');
    expect((await bytesOf(await store().get('a/b'))).toString()).to.equal('under');
    expect(await keysOf(store())).to.deep.equal(['a', 'a.b', 'a/b']);
    await store().delete('a');
    await store().deleteReplaced('a');
    expect(await store().head('a')).to.equal(undefined);
  });

  const bad = [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/../b',
    'a/./b',
    '.a',
    'a/.b',
    'a\\b',
    'a\0b',
    'a b',
    'ä',
  ];
  for (const key of [...bad, '~', 'a~', 'a'.repeat(129), Array(17).fill('a').join('/')]) {
    it(`refuses the key ${JSON.stringify(key.slice(0, 24))} in every operation`, async () => {
      const operations = [
        store().put(key, pieces('x')),
        store().get(key),
        store().head(key),
        store().delete(key),
        store().deleteReplaced(key),
        store().deletePrefix(key),
        ...(key === '' ? [] : [keysOf(store(), key)]),
      ];
      for (const operation of operations) expect(await reasonOf(operation)).to.equal('INTERNAL');
      expect(await keysOf(store())).to.deep.equal([]);
    });
  }
}

function testFailures(store: () => ObjectStore): void {
  it('throws on what the body throws, keeps the old bytes and leaves nothing behind', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces('half');
      throw new AppError('UPLOAD_INCOMPLETE');
    };
    expect(await reasonOf(store().put('new', failing()))).to.equal('UPLOAD_INCOMPLETE');
    await store().put('old', pieces('old'));
    expect(await reasonOf(store().put('old', failing()))).to.equal('UPLOAD_INCOMPLETE');
    expect(await keysOf(store())).to.deep.equal(['old']);
    expect((await bytesOf(await store().get('old'))).toString()).to.equal('old');
  });

  it('keeps the old bytes of a large object, and leaves nothing of the new one', async () => {
    await store().put('old', pieces('old'));
    const stop = new AbortController();
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (let sent = 0; ; sent += 1) {
        if (sent === 20) stop.abort();
        yield* pieces(randomBytes(1024 * 1024));
      }
    };
    expect(await reasonOf(store().put('old', endless(), { signal: stop.signal }))).to.equal('CANCELLED');
    expect((await bytesOf(await store().get('old'))).toString()).to.equal('old');
    expect(await keysOf(store())).to.deep.equal(['old']);
  });

  it('stops when the signal fires, also before the start and while the body hangs', async () => {
    expect(await reasonOf(store().put('a', pieces('x'), { signal: AbortSignal.abort() }))).to.equal('CANCELLED');
    const stop = new AbortController();
    const hanging = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces('half');
      stop.abort();
      await new Promise(() => undefined);
    };
    expect(await reasonOf(store().put('a', hanging(), { signal: stop.signal }))).to.equal('CANCELLED');
    expect(await keysOf(store())).to.deep.equal([]);
  });
}
