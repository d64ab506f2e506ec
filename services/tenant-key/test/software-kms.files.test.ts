import { chmod, copyFile, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { refuseEmbeddedInProduction } from '@wardstone/config';
import { expect } from 'chai';
import { openSoftwareKms } from '../src/adapters/software-kms.ts';
import { kmsContract } from './kms.contract.ts';
import { reasonOf } from './support.ts';

const newDir = (): Promise<string> => mkdtemp(join(tmpdir(), 'wardstone-kms-'));

kmsContract('software', async () => {
  const dir = await newDir();
  return { kms: await openSoftwareKms({ dir }), close: () => rm(dir, { recursive: true, force: true }) };
});

describe('software KMS: files', () => {
  const tenantId = '01890000-0000-7000-8000-00000000000a';
  const encryptionContext = { tenant: tenantId };
  let dir: string;
  beforeEach(async () => {
    dir = await newDir();
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('makes a master key that only the owner reads, keeps it, and leaves no temporary file', async () => {
    const kms = await openSoftwareKms({ dir });
    const { keyId } = await kms.createKey(tenantId);
    const { wrapped, plaintext } = await kms.generateDataKey({ keyId, encryptionContext });
    expect((await stat(join(dir, 'master.key'))).mode & 0o777).to.equal(0o600);
    expect((await stat(join(dir, 'keys', `${tenantId}.key`))).mode & 0o777).to.equal(0o600);
    expect(await readdir(join(dir, 'keys'))).to.deep.equal([`${tenantId}.key`]);
    expect((await readdir(dir)).sort()).to.deep.equal(['keys', 'master.key']);
    const again = await openSoftwareKms({ dir });
    const opened = await again.decrypt({ keyId, wrapped, encryptionContext });
    expect(Buffer.from(opened).equals(plaintext)).to.equal(true);
  });

  it('gives two first starts at once the same master key', async () => {
    const [one, two] = await Promise.all([openSoftwareKms({ dir }), openSoftwareKms({ dir })]);
    const { keyId } = await one.createKey(tenantId);
    const { wrapped, plaintext } = await one.generateDataKey({ keyId, encryptionContext });
    const opened = await two.decrypt({ keyId, wrapped, encryptionContext });
    expect(Buffer.from(opened).equals(plaintext)).to.equal(true);
  });

  it('does not start with a new master key over old keys, a short one, or one that others may read', async () => {
    await (await openSoftwareKms({ dir })).createKey(tenantId);
    const path = join(dir, 'master.key');
    await chmod(path, 0o640);
    expect(await reasonOf(openSoftwareKms({ dir }))).to.equal('KEY_UNAVAILABLE');
    await chmod(path, 0o600);
    await openSoftwareKms({ dir });
    const masterKey = await readFile(path);
    await writeFile(path, masterKey.subarray(1));
    expect(await reasonOf(openSoftwareKms({ dir }))).to.equal('KEY_UNAVAILABLE');
    await rm(path);
    expect(await reasonOf(openSoftwareKms({ dir }))).to.equal('KEY_UNAVAILABLE');
    expect(await readdir(dir)).to.deep.equal(['keys']);
  });

  it('opens nothing under another master key', async () => {
    const { keyId } = await (await openSoftwareKms({ dir })).createKey(tenantId);
    await writeFile(join(dir, 'master.key'), Buffer.alloc(32, 7));
    const kms = await openSoftwareKms({ dir });
    expect(await reasonOf(kms.generateDataKey({ keyId, encryptionContext }))).to.equal('SEALED_VALUE_INVALID');
  });

  it('is unavailable while its directory is away', async () => {
    const kms = await openSoftwareKms({ dir });
    const { keyId } = await kms.createKey(tenantId);
    await rename(join(dir, 'keys'), join(dir, 'away'));
    expect(await reasonOf(kms.check())).to.equal('KEY_UNAVAILABLE');
    expect(await reasonOf(kms.generateDataKey({ keyId, encryptionContext }))).to.equal('KEY_UNAVAILABLE');
    await rename(join(dir, 'away'), join(dir, 'keys'));
    await kms.check();
  });

  it('removes a key for good when its date has passed, at the next look and at the next start', async () => {
    const dayMs = 24 * 60 * 60_000;
    let nowMs = Date.now();
    const now = (): number => nowMs;
    const kms = await openSoftwareKms({ dir, now });
    const otherId = '01890000-0000-7000-8000-00000000000b';
    const { keyId } = await kms.createKey(tenantId);
    const other = await kms.createKey(otherId);
    const { wrapped } = await kms.generateDataKey({ keyId, encryptionContext });
    const { deletionAt } = await kms.scheduleDeletion({ keyId, windowDays: 7 });
    expect(deletionAt.getTime()).to.equal(nowMs + 7 * dayMs);
    await kms.scheduleDeletion({ keyId: other.keyId, windowDays: 7 });

    nowMs = deletionAt.getTime() - 1;
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'pending-deletion', deletionAt });
    nowMs += 1;
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'deleted' });
    const left = [`${tenantId}.state`, `${otherId}.key`, `${otherId}.state`];
    expect((await readdir(join(dir, 'keys'))).sort()).to.deep.equal(left);
    await openSoftwareKms({ dir, now });
    expect((await readdir(join(dir, 'keys'))).sort()).to.deep.equal([`${tenantId}.state`, `${otherId}.state`]);

    // Neither a clock that is set back nor another key under the same id brings it back.
    nowMs -= 8 * dayMs;
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'deleted' });
    const works = [
      kms.decrypt({ keyId, wrapped, encryptionContext }),
      kms.createKey(tenantId),
      kms.cancelDeletion(keyId),
      kms.scheduleDeletion({ keyId, windowDays: 7 }),
    ];
    const reasons = await Promise.all(works.map(reasonOf));
    expect(reasons).to.deep.equal(works.map(() => 'KEY_UNAVAILABLE'));
  });

  it('keeps states sealed, each to its key, and over a restart', async () => {
    const kms = await openSoftwareKms({ dir });
    const { keyId } = await kms.createKey(tenantId);
    const other = await kms.createKey('01890000-0000-7000-8000-00000000000b');
    // AWS refuses this by the key's state, which its adapter's tests hold; the test server of the contract does not.
    await kms.cancelDeletion(keyId);
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'enabled' });
    await kms.disableKey(keyId);
    const file = join(dir, 'keys', `${tenantId}.state`);
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    expect((await readFile(file)).toString('latin1')).not.to.contain('disabled');
    const again = await openSoftwareKms({ dir });
    expect(await reasonOf(again.generateDataKey({ keyId, encryptionContext }))).to.equal('KEY_DISABLED');
    await copyFile(file, join(dir, 'keys', '01890000-0000-7000-8000-00000000000b.state'));
    expect(await reasonOf(kms.describeKey(other.keyId))).to.equal('SEALED_VALUE_INVALID');
  });

  it('is refused in production unless the operator says otherwise', () => {
    const production = { NODE_ENV: 'production' };
    expect(() => refuseEmbeddedInProduction(production, 'the software KMS')).to.throw(/embedded/);
    refuseEmbeddedInProduction({ ...production, WARDSTONE_ALLOW_EMBEDDED: 'yes-this-is-not-production' }, 'it');
  });
});
