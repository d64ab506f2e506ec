import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createFileStore } from '../src/index.ts';
import { keysOf, pieces, reasonOf } from './object-store.contract.ts';

describe('file store: the disk', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'wardstone-objects-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const temporary = (): Promise<string[]> => readdir(join(dir, 'tmp'));

  it('makes files that only the owner reads, and no temporary file stays', async () => {
    await createFileStore({ dir }).put('a/b', pieces('x'));
    expect((await stat(join(dir, 'objects/a/b~'))).mode & 0o777).to.equal(0o600);
    expect((await stat(join(dir, 'objects/a'))).mode & 0o777).to.equal(0o700);
    expect(await temporary()).to.deep.equal([]);
  });

  it('removes the temporary file of a put that fails or is stopped', async () => {
    const store = createFileStore({ dir });
    const stop = new AbortController();
    const seen: string[][] = [];
    const body = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      seen.push(await temporary());
      stop.abort();
      yield Buffer.from('rest');
    };
    expect(await reasonOf(store.put('a', body(), { signal: stop.signal }))).to.equal('CANCELLED');
    expect(seen[0]).to.have.length(1);
    expect(await temporary()).to.deep.equal([]);
  });

  it('clears temporary files that a dead process left, and leaves those that are being written', async () => {
    await createFileStore({ dir }).check();
    const old = join(dir, 'tmp/old');
    await writeFile(old, 'x');
    await writeFile(join(dir, 'tmp/fresh'), 'x');
    const hoursAgo = new Date(Date.now() - 2 * 60 * 60_000);
    await utimes(old, hoursAgo, hoursAgo);
    await createFileStore({ dir }).check();
    expect(await temporary()).to.deep.equal(['fresh']);
  });

  it('prunes the directories that a delete leaves empty, and only those', async () => {
    const store = createFileStore({ dir });
    await store.put('a/b/c', pieces('x'));
    await store.put('a/d', pieces('x'));
    await store.delete('a/b/c');
    expect(await readdir(join(dir, 'objects/a'))).to.deep.equal(['d~']);
    await store.delete('a/d');
    expect(await readdir(join(dir, 'objects'))).to.deep.equal([]);
  });

  it('survives puts and deletes that prune each other’s directories', async () => {
    const store = createFileStore({ dir });
    const rounds = Array.from({ length: 60 }, async (_, index) => {
      await store.put(`a/b/${String(index)}`, pieces('x'));
      await store.delete(`a/b/${String(index)}`);
    });
    await Promise.all(rounds);
    expect(await keysOf(store)).to.deep.equal([]);
  });

  it('is unavailable when its disk goes away, does not make it anew, and recovers when it is back', async () => {
    const store = createFileStore({ dir });
    await store.put('a', pieces('x'));
    await rename(join(dir, 'objects'), join(dir, 'away'));
    expect(await reasonOf(store.check())).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await reasonOf(store.put('b', pieces('x')))).to.equal('OBJECT_STORE_UNAVAILABLE');
    // What cannot be seen is not known to be gone: a document would be given up, or its deletion taken for done.
    expect(await reasonOf(store.get('a'))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await reasonOf(store.head('a'))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await reasonOf(store.delete('a'))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await reasonOf(store.deletePrefix('a'))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await reasonOf(keysOf(store))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await temporary()).to.deep.equal([]);
    await rename(join(dir, 'away'), join(dir, 'objects'));
    await store.check();
    expect(await keysOf(store)).to.deep.equal(['a']);
  });

  it('is unavailable when its directory cannot be made, and tries again', async () => {
    const blocked = join(dir, 'file');
    await writeFile(blocked, 'x');
    const store = createFileStore({ dir: blocked });
    expect(await reasonOf(store.check())).to.equal('OBJECT_STORE_UNAVAILABLE');
    await rm(blocked);
    await mkdir(blocked);
    await store.check();
  });

  it('lets one of many puts over the same object win, and leaves nothing of the others', async () => {
    const store = createFileStore({ dir });
    await store.put('a', pieces('old'));
    const ifMatch = (await store.head('a'))?.etag ?? '';
    const puts = Array.from({ length: 8 }, (_, index) => store.put('a', pieces(String(index)), { ifMatch }));
    const reasons = await Promise.all(puts.map(reasonOf));
    expect(reasons.filter((reason) => reason === 'no error')).to.have.length(1);
    expect(reasons.filter((reason) => reason === 'OBJECT_CHANGED')).to.have.length(7);
    expect((await readFile(join(dir, 'objects/a~'))).toString()).to.equal(
      String(reasons.findIndex((reason) => reason === 'no error')),
    );
    expect(await temporary()).to.deep.equal([]);
  });

  it('shares a directory with another process', async () => {
    const [one, two] = [createFileStore({ dir }), createFileStore({ dir })];
    await one.put('a', pieces('x'));
    expect(await two.head('a')).to.include({ bytes: 1 });
    expect((await readFile(join(dir, 'objects/a~'))).toString()).to.equal('x');
  });
});
