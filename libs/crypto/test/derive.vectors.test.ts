import { createHmac, hkdfSync } from 'node:crypto';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { derivePurposeKey, keyPurposes, type KeyPurpose } from '../src/index.ts';
import vectors from './vectors/derive.json' with { type: 'json' };
import { dataKeyOf, tenantA, tenantB } from './support.ts';

/** HKDF-SHA-256 as RFC 5869 writes it, from HMAC alone: one block of output is enough for 32 bytes. */
function hkdfByHand(key: Uint8Array, salt: string | Uint8Array, info: string | Uint8Array): string {
  const pseudoRandomKey = createHmac('sha256', salt).update(key).digest();
  return createHmac('sha256', pseudoRandomKey).update(info).update(Uint8Array.of(1)).digest('hex');
}

describe('derivePurposeKey: known answers', () => {
  it('the by-hand HKDF of this test and the one in use both give RFC 5869, test case 1', () => {
    const key = Buffer.alloc(22, 0x0b);
    const salt = Buffer.from('000102030405060708090a0b0c', 'hex');
    const info = Buffer.from('f0f1f2f3f4f5f6f7f8f9', 'hex');
    const expected = '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf';
    expect(Buffer.from(hkdfSync('sha256', key, salt, info, 32)).toString('hex')).to.equal(expected);
    expect(hkdfByHand(key, salt, info)).to.equal(expected);
  });

  for (const { dataKey, tenantId, purpose, version, key } of vectors) {
    it(`${purpose} of version ${String(version)}`, () => {
      const derived = derivePurposeKey(Buffer.from(dataKey, 'hex'), tenantId, purpose as KeyPurpose, version);
      const info = `tenant=${tenantId};purpose=${purpose};version=${String(version)}`;
      expect(Buffer.from(derived).toString('hex')).to.equal(key);
      expect(hkdfByHand(Buffer.from(dataKey, 'hex'), 'wardstone/purpose-key/v1', info)).to.equal(key);
    });
  }
});

describe('derivePurposeKey: separation and refusals', () => {
  it('gives another key for every purpose, version, tenant and data key', () => {
    const keys = keyPurposes.flatMap((purpose) =>
      [1, 2].flatMap((version) =>
        [tenantA, tenantB].flatMap((tenantId) =>
          [dataKeyOf('x', 1), dataKeyOf('x', 2)].map((dataKey) =>
            Buffer.from(derivePurposeKey(dataKey, tenantId, purpose, version)).toString('hex'),
          ),
        ),
      ),
    );
    expect(new Set(keys).size).to.equal(keys.length);
  });

  it('refuses a key of another length, a tenant that is no lower-case UUID, an unknown purpose, a bad version', () => {
    const key = dataKeyOf('x', 1);
    const wrong = [
      () => derivePurposeKey(key.subarray(1), tenantA, 'objects', 1),
      () => derivePurposeKey(key, tenantA.toUpperCase(), 'objects', 1),
      () => derivePurposeKey(key, `${tenantA};purpose=terms`, 'objects', 1),
      () => derivePurposeKey(key, tenantA, 'other' as KeyPurpose, 1),
      () => derivePurposeKey(key, tenantA, 'objects', 0),
      () => derivePurposeKey(key, tenantA, 'objects', 1.5),
      () => derivePurposeKey(key, tenantA, 'objects', 2 ** 31),
    ];
    for (const derive of wrong) expect(derive).to.throw(AppError);
  });
});
