import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { createKeyRing, createSubkeys, derivePurposeKey, openBytes, seal, type SealContext } from '../src/index.ts';
import { dataKeyOf, fixedRing, rejection, tenantA, tenantB } from './support.ts';

const context: SealContext = { tenantId: tenantA, resource: 'a-place', field: 'value' };

describe('subkeys: known answers', () => {
  it('are HKDF-SHA-256 of the purpose key, as RFC 5869 writes it', async () => {
    const purposeKey = derivePurposeKey(dataKeyOf(tenantA, 3), tenantA, 'objects', 3);
    const pseudoRandomKey = createHmac('sha256', 'wardstone/subkey/v1').update(purposeKey).digest();
    const info = `tenant=${tenantA};purpose=objects;version=3;use=cache/v1`;
    const byHand = createHmac('sha256', pseudoRandomKey).update(info).update(Uint8Array.of(1)).digest('hex');
    const { key, ...rest } = await createSubkeys(fixedRing({ current: 3 }).ring, 'cache/v1').current(
      tenantA,
      'objects',
    );
    expect(Buffer.from(key).toString('hex')).to.equal(byHand);
    // Frozen: what was sealed under it no longer opens when it changes.
    expect(byHand).to.equal('ab7f058b4f0d8100cc7d2bcdbf845cba19346da3e095cc147208d0cf9ae3e1f5');
    expect(rest).to.deep.equal({ tenantId: tenantA, purpose: 'objects', version: 3 });
  });
});

describe('subkeys: separation', () => {
  it('differ by use, tenant, purpose and version, and from the purpose keys', async () => {
    const { ring } = fixedRing();
    const views = [
      ring,
      createSubkeys(ring, 'cache/v1'),
      createSubkeys(ring, 'cache/v2'),
      createSubkeys(ring, 'names/v1'),
    ];
    const keys = await Promise.all(
      views.flatMap((view) =>
        [tenantA, tenantB].flatMap((tenantId) =>
          (['objects', 'content'] as const).flatMap((purpose) =>
            [1, 2].map(async (version) => (await view.version(tenantId, purpose, version)).key),
          ),
        ),
      ),
    );
    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).to.equal(keys.length);
  });

  it('open what they sealed, of older versions too, and nothing of another use or of the purpose itself', async () => {
    const { ring } = fixedRing({ current: 2 });
    const subkeys = createSubkeys(ring, 'cache/v1');
    const bytes = Uint8Array.from([0, 255, 7]);
    const old = await seal(createSubkeys(fixedRing({ current: 1 }).ring, 'cache/v1'), 'objects', context, bytes);
    for (const sealed of [old, await seal(subkeys, 'objects', context, bytes)]) {
      expect(await openBytes(subkeys, 'objects', context, sealed)).to.deep.equal(bytes);
      for (const other of [ring, createSubkeys(ring, 'cache/v2')]) {
        expect(await rejection(openBytes(other, 'objects', context, sealed))).to.have.property(
          'reason',
          'SEALED_VALUE_INVALID',
        );
      }
    }
  });

  it('count for the lease of the purpose key', async () => {
    let fetches = 0;
    const ring = createKeyRing({
      fetch: () => {
        fetches += 1;
        return Promise.resolve({ key: dataKeyOf('x', 1), version: 1, currentVersion: 1, maxAgeMs: 60_000, maxUses: 2 });
      },
    });
    const subkeys = [createSubkeys(ring, 'cache/v1'), createSubkeys(ring, 'names/v1')];
    for (let round = 1; round <= 2; round += 1) {
      for (const view of subkeys) await view.current(tenantA, 'objects');
      expect(fetches).to.equal(round);
    }
  });

  it('refuse a use that is no plain name with its version', () => {
    for (const use of ['', 'cache', 'cache/1', 'Cache/v1', 'cache;use=x/v1', `${'x'.repeat(64)}/v1`]) {
      expect(() => createSubkeys(fixedRing().ring, use)).to.throw(AppError);
    }
  });
});
