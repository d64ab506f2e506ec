/** What every KeyManagementService does. The software KMS passes it here; AWS KMS passes the same suite. */
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import type { KeyManagementService } from '../src/ports.ts';
import { reasonOf } from './support.ts';

/** A KMS to test and how to take it down. */
export interface KmsUnderTest {
  readonly kms: KeyManagementService;
  close(): Promise<void>;
}

/** Registers the suite. `open` is called once. */
export function kmsContract(name: string, open: () => Promise<KmsUnderTest>): void {
  describe(`KMS contract: ${name}`, () => {
    let under: KmsUnderTest;
    before(async () => {
      under = await open();
    });
    after(() => under.close());
    describe('wrapping', () => testWrapping(() => under.kms));
    describe('states of a key', () => testStates(() => under.kms));
  });
}

const encryptionContext = { tenant: 'a', version: '1' };

function testWrapping(opened: () => KeyManagementService): void {
  let kms: KeyManagementService;
  before(() => {
    kms = opened();
  });

  it('finds the key of a tenant again, and keeps tenants apart', async () => {
    const tenantId = uuidv7();
    const [first, again] = await Promise.all([kms.createKey(tenantId), kms.createKey(tenantId)]);
    expect(again).to.deep.equal(first);
    expect(await kms.createKey(tenantId)).to.deep.equal(first);
    expect((await kms.createKey(uuidv7())).keyId).not.to.equal(first.keyId);
  });

  it('wraps 32 random bytes and unwraps them, whatever the order of the context', async () => {
    const { keyId } = await kms.createKey(uuidv7());
    const one = await kms.generateDataKey({ keyId, encryptionContext });
    const two = await kms.generateDataKey({ keyId, encryptionContext });
    expect(one.plaintext.byteLength).to.equal(32);
    expect(Buffer.from(one.plaintext).equals(two.plaintext)).to.equal(false);
    expect(Buffer.from(one.wrapped).includes(Buffer.from(one.plaintext))).to.equal(false);
    const turned = { version: '1', tenant: 'a' };
    const opened = await kms.decrypt({ keyId, wrapped: one.wrapped, encryptionContext: turned });
    expect(Buffer.from(opened).equals(one.plaintext)).to.equal(true);
  });

  it('refuses another context, more or less of it, and another tenant’s key', async () => {
    const { keyId } = await kms.createKey(uuidv7());
    const other = await kms.createKey(uuidv7());
    const { wrapped } = await kms.generateDataKey({ keyId, encryptionContext });
    const contexts = [{ tenant: 'b', version: '1' }, { tenant: 'a' }, { ...encryptionContext, more: 'x' }, {}];
    for (const context of contexts) {
      const work = kms.decrypt({ keyId, wrapped, encryptionContext: context });
      expect(await reasonOf(work)).to.equal('SEALED_VALUE_INVALID');
    }
    const foreign = kms.decrypt({ keyId: other.keyId, wrapped, encryptionContext });
    expect(await reasonOf(foreign)).to.equal('SEALED_VALUE_INVALID');
  });

  it('refuses wrapped bytes that were altered or cut', async () => {
    const { keyId } = await kms.createKey(uuidv7());
    const { wrapped } = await kms.generateDataKey({ keyId, encryptionContext });
    const altered = Array.from({ length: wrapped.byteLength }, (_, at) =>
      Buffer.from(wrapped).fill((wrapped[at] ?? 0) ^ 1, at, at + 1),
    );
    for (const bytes of [...altered, wrapped.subarray(1), wrapped.subarray(0, -1), new Uint8Array()]) {
      const work = kms.decrypt({ keyId, wrapped: bytes, encryptionContext });
      expect(await reasonOf(work)).to.equal('SEALED_VALUE_INVALID');
    }
  });

  it('wraps again what opens as before, under the same context only', async () => {
    const { keyId } = await kms.createKey(uuidv7());
    const { plaintext, wrapped } = await kms.generateDataKey({ keyId, encryptionContext });
    const again = await kms.reEncrypt({ keyId, wrapped, encryptionContext });
    expect(Buffer.from(again).equals(wrapped)).to.equal(false);
    for (const bytes of [wrapped, again]) {
      const opened = await kms.decrypt({ keyId, wrapped: bytes, encryptionContext });
      expect(Buffer.from(opened).equals(plaintext)).to.equal(true);
    }
    const other = await kms.createKey(uuidv7());
    const altered = wrapped.map((byte, at) => (at === wrapped.length - 1 ? byte ^ 1 : byte));
    for (const change of [
      { encryptionContext: { tenant: 'b', version: '1' } },
      { keyId: other.keyId },
      { wrapped: altered },
      { wrapped: new Uint8Array() },
    ]) {
      const work = kms.reEncrypt({ keyId, wrapped, encryptionContext, ...change });
      expect(await reasonOf(work)).to.equal('SEALED_VALUE_INVALID');
    }
  });

  it('has no key that nobody made', async () => {
    const { keyId } = await kms.createKey(uuidv7());
    const { wrapped } = await kms.generateDataKey({ keyId, encryptionContext });
    const missing = keyId.replace(/[0-9a-f]{12}$/, '000000000000');
    for (const unknown of [missing, 'nonsense', '../../etc/passwd']) {
      const works = [
        kms.generateDataKey({ keyId: unknown, encryptionContext }),
        kms.decrypt({ keyId: unknown, wrapped, encryptionContext }),
        kms.reEncrypt({ keyId: unknown, wrapped, encryptionContext }),
        kms.disableKey(unknown),
        kms.enableKey(unknown),
        kms.scheduleDeletion({ keyId: unknown, windowDays: 7 }),
        kms.cancelDeletion(unknown),
      ];
      const reasons = await Promise.all(works.map(reasonOf));
      expect(reasons).to.deep.equal(works.map(() => 'KEY_UNAVAILABLE'));
      expect(await kms.describeKey(unknown)).to.deep.equal({ state: 'deleted' });
    }
  });

  it('is usable, and says so', async () => {
    await kms.check();
  });
}

function testStates(opened: () => KeyManagementService): void {
  let kms: KeyManagementService;
  let tenantId: string;
  let keyId: string;
  let plaintext: Uint8Array;
  let wrapped: Uint8Array;
  beforeEach(async () => {
    kms = opened();
    tenantId = uuidv7();
    ({ keyId } = await kms.createKey(tenantId));
    ({ plaintext, wrapped } = await kms.generateDataKey({ keyId, encryptionContext }));
  });

  const refusals = async (): Promise<string[]> =>
    Promise.all([
      reasonOf(kms.generateDataKey({ keyId, encryptionContext })),
      reasonOf(kms.decrypt({ keyId, wrapped, encryptionContext })),
      reasonOf(kms.reEncrypt({ keyId, wrapped, encryptionContext })),
    ]);
  const opens = async (): Promise<void> => {
    const clear = await kms.decrypt({ keyId, wrapped, encryptionContext });
    expect(Buffer.from(clear).equals(plaintext)).to.equal(true);
  };

  it('wraps and unwraps nothing while disabled, and everything when enabled again', async () => {
    await kms.disableKey(keyId);
    await kms.disableKey(keyId);
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'disabled' });
    expect(await refusals()).to.deep.equal(['KEY_DISABLED', 'KEY_DISABLED', 'KEY_DISABLED']);
    expect(await kms.createKey(tenantId)).to.deep.equal({ keyId });
    await kms.enableKey(keyId);
    await kms.enableKey(keyId);
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'enabled' });
    await opens();
  });

  it('leaves the keys of others alone', async () => {
    const other = await kms.createKey(uuidv7());
    await kms.disableKey(keyId);
    await kms.generateDataKey({ keyId: other.keyId, encryptionContext });
  });

  it('schedules a deletion once: the first date stands, and the key cannot be used nor enabled', async () => {
    const aroundMs = Date.now() + 7 * 24 * 60 * 60_000;
    const first = await kms.scheduleDeletion({ keyId, windowDays: 7 });
    expect(first.deletionAt.getTime()).to.be.within(aroundMs - 60 * 60_000, aroundMs + 60 * 60_000);
    expect(await kms.scheduleDeletion({ keyId, windowDays: 30 })).to.deep.equal(first);
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'pending-deletion', ...first });
    const pending = 'KEY_PENDING_DELETION';
    expect(await refusals()).to.deep.equal([pending, pending, pending]);
    expect(await reasonOf(kms.enableKey(keyId))).to.equal(pending);
    await kms.disableKey(keyId);
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'pending-deletion', ...first });
    expect(await kms.createKey(tenantId)).to.deep.equal({ keyId });
  });

  it('answers one date to many who schedule at once', async () => {
    const windows = [7, 30, 14, 21];
    const dates = await Promise.all(windows.map((windowDays) => kms.scheduleDeletion({ keyId, windowDays })));
    expect(new Set(dates.map(({ deletionAt }) => deletionAt.getTime())).size).to.equal(1);
  });

  it('takes a schedule back and leaves the key disabled', async () => {
    await kms.disableKey(keyId);
    await kms.scheduleDeletion({ keyId, windowDays: 30 });
    await kms.cancelDeletion(keyId);
    await kms.cancelDeletion(keyId);
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'disabled' });
    expect(await refusals()).to.deep.equal(['KEY_DISABLED', 'KEY_DISABLED', 'KEY_DISABLED']);
    await kms.enableKey(keyId);
    await opens();
  });

  it('refuses a window that is not 7 to 30 whole days', async () => {
    for (const windowDays of [0, 6, 7.5, 31, Number.NaN]) {
      expect(await reasonOf(kms.scheduleDeletion({ keyId, windowDays }))).to.equal('INTERNAL');
    }
    expect(await kms.describeKey(keyId)).to.deep.equal({ state: 'enabled' });
  });
}
