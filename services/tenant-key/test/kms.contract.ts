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
    let kms: KeyManagementService;
    const encryptionContext = { tenant: 'a', version: '1' };
    before(async () => {
      under = await open();
      kms = under.kms;
    });
    after(() => under.close());

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

    it('has no key that nobody made', async () => {
      const { keyId } = await kms.createKey(uuidv7());
      const missing = keyId.replace(/[0-9a-f]{12}$/, '000000000000');
      for (const unknown of [missing, 'nonsense', '../../etc/passwd']) {
        const work = kms.generateDataKey({ keyId: unknown, encryptionContext });
        expect(await reasonOf(work)).to.equal('KEY_UNAVAILABLE');
      }
    });

    it('is usable, and says so', async () => {
      await kms.check();
    });
  });
}
