import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createKeyRing, derivePurposeKey } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { createFileStore, createSealedObjects, type ObjectRef, type SealedObjects } from '../src/index.ts';
import { bytesOf, keysOf, pieces, reasonOf } from './object-store.contract.ts';

const ref: ObjectRef = {
  tenantId: '01890000-0000-7000-8000-00000000000a',
  documentId: '01890000-0000-7000-8000-000000000001',
  version: 1,
  name: 'original',
};

describe('sealed objects', () => {
  let dir: string;
  let objects: SealedObjects;
  let current: number;
  let rotate: () => void;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'wardstone-objects-'));
    const dataKey = createHash('sha256').update('data key').digest();
    current = 1;
    const keys = createKeyRing({
      fetch: (tenantId, purpose, asked) => {
        const version = asked === 0 ? current : asked;
        const key = derivePurposeKey(dataKey, tenantId, purpose, version);
        return Promise.resolve({ key, version, currentVersion: current, maxAgeMs: 60_000 });
      },
    });
    rotate = () => {
      current += 1;
      keys.refresh(ref.tenantId);
    };
    objects = createSealedObjects({ store: createFileStore({ dir }), keys });
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const fileOf = ({ tenantId, documentId, version, name }: ObjectRef): string =>
    join(dir, 'objects/tenants', tenantId, 'documents', documentId, String(version), `${name}~`);
  const read = async (at: ObjectRef = ref): Promise<Buffer> => bytesOf(await objects.read(at));

  it('gives back what was written, with length and hash of the clear bytes', async () => {
    const clear = randomBytes(1_000_003);
    const written = await objects.write(ref, pieces(clear.subarray(0, 77), clear.subarray(77)));
    expect(written).to.deep.equal({
      bytes: clear.length,
      sha256: createHash('sha256').update(clear).digest('hex'),
      keyVersion: 1,
    });
    expect((await read()).equals(clear)).to.equal(true);
    expect(await objects.exists(ref)).to.equal(true);
    const empty = await objects.write({ ...ref, version: 2 }, pieces());
    expect(empty).to.deep.equal({ bytes: 0, sha256: createHash('sha256').digest('hex'), keyVersion: 1 });
    expect((await read({ ...ref, version: 2 })).length).to.equal(0);
  });

  it('stores not one word in clear', async () => {
    await objects.write(ref, pieces('The patient has hypertension.'));
    const stored = (await readFile(fileOf(ref))).toString('latin1');
    expect(stored).not.to.match(/patient|hypertension/);
  });

  it('does not open a copy under another document, version, name or tenant', async () => {
    await objects.write(ref, pieces('clear'));
    const places: Partial<ObjectRef>[] = [
      { documentId: '01890000-0000-7000-8000-000000000002' },
      { version: 2 },
      { name: 'chunks' },
      { name: 'vectors-parts/0' },
      { tenantId: '01890000-0000-7000-8000-00000000000b' },
    ];
    for (const change of places) {
      const at = { ...ref, ...change };
      await cp(fileOf(ref), fileOf(at), { recursive: true });
      expect(await reasonOf(read(at)), JSON.stringify(change)).to.equal('SEALED_VALUE_INVALID');
    }
    expect((await read()).toString()).to.equal('clear');
  });

  it('ends with an error when the stored bytes were cut', async () => {
    await objects.write(ref, pieces(randomBytes(600_000)));
    await truncate(fileOf(ref), 300_000);
    expect(await reasonOf(read())).to.equal('SEALED_VALUE_INVALID');
    await writeFile(fileOf(ref), '');
    expect(await reasonOf(read())).to.equal('SEALED_VALUE_INVALID');
  });

  it('leaves nothing when the source fails, and throws what it threw', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < 20; sent += 1) yield* pieces(randomBytes(100_000));
      throw new AppError('FILE_TOO_LARGE');
    };
    expect(await reasonOf(objects.write(ref, failing()))).to.equal('FILE_TOO_LARGE');
    expect(await keysOf(createFileStore({ dir }))).to.deep.equal([]);
    expect(await readdir(join(dir, 'tmp'))).to.deep.equal([]);
  });

  it('leaves nothing when the signal fires while the source hangs', async () => {
    const stop = new AbortController();
    const hanging = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(randomBytes(600_000));
      stop.abort();
      await new Promise(() => undefined);
    };
    expect(await reasonOf(objects.write(ref, hanging(), { signal: stop.signal }))).to.equal('CANCELLED');
    expect(await keysOf(createFileStore({ dir }))).to.deep.equal([]);
    expect(await readdir(join(dir, 'tmp'))).to.deep.equal([]);
  });

  it('reports the store when that is what fails, and stops reading the source', async () => {
    await objects.check();
    await rm(join(dir, 'tmp'), { recursive: true });
    let sent = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent += 1;
        yield* pieces(randomBytes(100_000));
      }
    };
    expect(await reasonOf(objects.write(ref, endless()))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(sent).to.be.lessThan(100);
  });

  it('reports keys that are away on both sides', async () => {
    await objects.write(ref, pieces('clear'));
    const keys = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_UNAVAILABLE')) });
    const without = createSealedObjects({ store: createFileStore({ dir }), keys });
    expect(await reasonOf(without.write(ref, pieces('x')))).to.equal('KEY_UNAVAILABLE');
    const reading = (async () => bytesOf(await without.read(ref)))();
    expect(await reasonOf(reading)).to.equal('KEY_UNAVAILABLE');
  });

  it('says NOT_FOUND, removes one, and removes a whole document and no other', async () => {
    expect(await reasonOf(objects.read(ref))).to.equal('NOT_FOUND');
    const other = { ...ref, documentId: '01890000-0000-7000-8000-000000000002' };
    for (const at of [ref, { ...ref, name: 'chunks' as const }, { ...ref, version: 2 }, other]) {
      await objects.write(at, pieces('x'));
    }
    await objects.remove(ref);
    await objects.remove(ref);
    expect(await objects.exists(ref)).to.equal(false);
    expect(await objects.removeDocument(ref.tenantId, ref.documentId)).to.equal(2);
    expect(await objects.exists(other)).to.equal(true);
  });

  it('is sealed anew only over what was read: what was removed or replaced meanwhile stays so', async () => {
    await objects.write(ref, pieces('clear'));
    const ifMatch = await objects.etag(ref);
    if (ifMatch === undefined) throw new Error('there is no tag');
    await objects.write(ref, await objects.read(ref), { ifMatch });
    expect((await read()).toString()).to.equal('clear');
    expect(await reasonOf(objects.write(ref, await objects.read(ref), { ifMatch }))).to.equal('OBJECT_CHANGED');
    const reader = await objects.read(ref);
    await objects.remove(ref);
    expect(await reasonOf(objects.write(ref, reader, { ifMatch }))).to.equal('OBJECT_CHANGED');
    expect(await objects.etag(ref)).to.equal(undefined);
    expect(await readdir(join(dir, 'tmp'))).to.deep.equal([]);
  });

  it('tells the key version of what was written and of what is stored, without a key for the latter', async () => {
    const large = randomBytes(600_000);
    expect((await objects.write(ref, pieces(large))).keyVersion).to.equal(1);
    rotate();
    expect(await objects.keyVersion(ref)).to.equal(1);
    expect((await objects.write(ref, await objects.read(ref))).keyVersion).to.equal(2);
    const blind = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_UNAVAILABLE')) });
    const without = createSealedObjects({ store: createFileStore({ dir }), keys: blind });
    expect(await without.keyVersion(ref)).to.equal(2);
    expect((await read()).equals(large)).to.equal(true);
    await writeFile(fileOf(ref), 'no sealed object');
    expect(await reasonOf(without.keyVersion(ref))).to.equal('SEALED_VALUE_INVALID');
    await objects.remove(ref);
    expect(await reasonOf(without.keyVersion(ref))).to.equal('NOT_FOUND');
  });

  it('lets who reads read on while the object is sealed again', async () => {
    const clear = randomBytes(3_000_000);
    await objects.write(ref, pieces(clear));
    const reader = await objects.read(ref);
    const read = [(await reader[Symbol.asyncIterator]().next()).value as Buffer];
    rotate();
    await objects.write(ref, await objects.read(ref));
    expect(await objects.keyVersion(ref)).to.equal(2);
    for await (const chunk of reader) read.push(chunk as Buffer);
    expect(Buffer.concat(read).equals(clear)).to.equal(true);
  });

  it('removes everything of a tenant and of no other', async () => {
    const other = { ...ref, tenantId: '01890000-0000-7000-8000-00000000000b' };
    const second = { ...ref, documentId: '01890000-0000-7000-8000-000000000002' };
    for (const at of [ref, { ...ref, name: 'vectors' as const }, second, other]) await objects.write(at, pieces('x'));
    expect(await objects.removeTenant(ref.tenantId)).to.equal(3);
    expect(await objects.removeTenant(ref.tenantId)).to.equal(0);
    expect(await objects.exists(other)).to.equal(true);
    expect(await reasonOf(objects.removeTenant('..'))).to.equal('INTERNAL');
  });

  it('removes the artefacts of one version, parts and all, and leaves the original and other versions', async () => {
    const names = ['original', 'chunks', 'vectors', 'vectors-parts/0', 'vectors-parts/17'] as const;
    for (const name of names) {
      await objects.write({ ...ref, name }, pieces('x'));
      await objects.write({ ...ref, version: 2, name }, pieces('x'));
    }
    await objects.removeArtefacts(ref);
    await objects.removeArtefacts(ref);
    for (const name of names) {
      expect(await objects.exists({ ...ref, name }), name).to.equal(name === 'original');
      expect(await objects.exists({ ...ref, version: 2, name }), name).to.equal(true);
    }
  });

  it('refuses references that could name something else', async () => {
    const wrong: Partial<ObjectRef>[] = [
      { tenantId: '..' },
      { documentId: ref.documentId.toUpperCase().replace('0', 'A') },
      { version: 0 },
      { version: 1.5 },
      { name: '../original' as 'original' },
      { name: 'vectors-parts/-1' },
      { name: 'vectors-parts/1.5' },
      { name: 'vectors-parts/1000000' },
    ];
    for (const change of wrong) {
      expect(await reasonOf(objects.write({ ...ref, ...change }, pieces('x')))).to.equal('INTERNAL');
    }
    expect(await reasonOf(objects.removeDocument(ref.tenantId, '..'))).to.equal('INTERNAL');
    expect(dirname(fileOf(ref)).startsWith(dir)).to.equal(true);
  });

  it('keeps memory flat over 256 MiB there and back', async () => {
    const piece = randomBytes(64 * 1024);
    const count = 4096;
    let peakBytes = 0;
    const startBytes = process.memoryUsage().rss;
    const measure = (): void => {
      peakBytes = Math.max(peakBytes, process.memoryUsage().rss - startBytes);
    };
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < count; sent += 1) {
        measure();
        yield* pieces(piece);
      }
    };
    const { bytes } = await objects.write(ref, source());
    let readBytes = 0;
    for await (const chunk of await objects.read(ref)) {
      measure();
      readBytes += (chunk as Buffer).length;
    }
    expect([bytes, readBytes]).to.deep.equal([count * piece.length, count * piece.length]);
    expect(peakBytes).to.be.lessThan(96 * 1024 * 1024);
  }).timeout(60_000);
});
