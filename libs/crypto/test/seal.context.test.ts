import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { createKeyRing, open, openBytes, seal, type SealContext } from '../src/index.ts';
import vectors from './vectors/seal.json' with { type: 'json' };
import { fixedRing, rejection, tenantA, tenantB } from './support.ts';

const context: SealContext = { tenantId: tenantA, resource: '01890000-0000-7000-8000-000000000001', field: 'text' };
const text = 'Metformin 500 mg — 二型糖尿病 🩺';

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error = await rejection(promise);
  return error instanceof AppError ? error.reason : String(error);
}

describe('seal and open', () => {
  it('gives text and bytes back', async () => {
    const { ring } = fixedRing();
    const bytes = Uint8Array.from([0, 255, 1, 128]);
    expect(await open(ring, 'content', context, await seal(ring, 'content', context, text))).to.equal(text);
    expect(await openBytes(ring, 'content', context, await seal(ring, 'content', context, bytes))).to.deep.equal(bytes);
    expect(await open(ring, 'content', context, await seal(ring, 'content', context, ''))).to.equal('');
  });

  it('seals the same text differently each time and shows nothing of it', async () => {
    const { ring } = fixedRing();
    const sealed = await Promise.all(Array.from({ length: 50 }, () => seal(ring, 'content', context, text)));
    expect(new Set(sealed).size).to.equal(50);
    expect(sealed.some((value) => value.includes('Metformin'))).to.equal(false);
  });

  it('opens an old version after a new one came', async () => {
    const old = await seal(fixedRing({ current: 1 }).ring, 'content', context, text);
    const { ring } = fixedRing({ current: 2 });
    const fresh = await seal(ring, 'content', context, text);
    expect(await open(ring, 'content', context, old)).to.equal(text);
    expect(JSON.parse(Buffer.from(fresh.split('.')[0] ?? '', 'base64url').toString())).to.deep.equal({
      alg: 'dir',
      enc: 'A256GCM',
      kid: `${tenantA}/2`,
      ctx: { tenant: tenantA, resource: context.resource, field: 'text' },
    });
  });

  for (const { name, tenantId, resource, field, current, sealed, plaintext } of vectors) {
    it(`opens the committed vector: ${name}`, async () => {
      const { ring } = fixedRing({ current });
      expect(await open(ring, 'content', { tenantId, resource, field }, sealed)).to.equal(plaintext);
    });
  }
});

describe('open: a value elsewhere', () => {
  const moved: [string, Partial<SealContext>][] = [
    ['another tenant', { tenantId: tenantB }],
    ['another resource', { resource: '01890000-0000-7000-8000-000000000002' }],
    ['another field', { field: 'title' }],
    ['the same letters cut otherwise', { resource: `${context.resource}t`, field: 'ext' }],
  ];
  for (const [name, change] of moved) {
    it(`does not open under ${name}`, async () => {
      const { ring } = fixedRing();
      const sealed = await seal(ring, 'content', context, text);
      expect(await reasonOf(open(ring, 'content', { ...context, ...change }, sealed))).to.equal('SEALED_VALUE_INVALID');
    });
  }

  it('does not open under another purpose', async () => {
    const { ring } = fixedRing();
    const sealed = await seal(ring, 'content', context, text);
    expect(await reasonOf(open(ring, 'history', context, sealed))).to.equal('SEALED_VALUE_INVALID');
  });

  it('does not open when the version in its header is changed', async () => {
    const { ring } = fixedRing({ current: 2 });
    const sealed = await seal(ring, 'content', context, text);
    const [header = '', ...rest] = sealed.split('.');
    const older = Buffer.from(header, 'base64url').toString().replace(`${tenantA}/2`, `${tenantA}/1`);
    const changed = [Buffer.from(older).toString('base64url'), ...rest].join('.');
    expect(await reasonOf(open(ring, 'content', context, changed))).to.equal('SEALED_VALUE_INVALID');
  });
});

describe('open: an altered value', () => {
  it('refuses every flip of every single bit, with one and the same error', async () => {
    const { ring } = fixedRing();
    const sealed = Buffer.from(await seal(ring, 'content', context, 'short'));
    const reasons = new Set<string>();
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      reasons.add(await reasonOf(open(ring, 'content', context, flipped.toString('latin1'))));
    }
    expect([...reasons]).to.deep.equal(['SEALED_VALUE_INVALID']);
  });

  it('refuses a second spelling of the same header, other algorithms, compression, and what is no JWE', async () => {
    const { ring } = fixedRing();
    const [header = '', ...rest] = (await seal(ring, 'content', context, text)).split('.');
    const clear = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>;
    const headers = [
      { ...clear, zip: 'DEF' },
      { ...clear, enc: 'A128GCM' },
      { ...clear, alg: 'A256KW' },
      { enc: 'A256GCM', alg: 'dir', kid: clear['kid'], ctx: clear['ctx'] },
      { ...clear, kid: `${tenantA}/01` },
    ].map((value) => [Buffer.from(JSON.stringify(value)).toString('base64url'), ...rest].join('.'));
    for (const value of [...headers, '', '....', 'a.b.c', 'x'.repeat(30_000_000)]) {
      expect(await reasonOf(open(ring, 'content', context, value))).to.equal('SEALED_VALUE_INVALID');
    }
  });

  it('refuses a cut or lengthened value', async () => {
    const { ring } = fixedRing();
    const sealed = await seal(ring, 'content', context, text);
    for (const value of [sealed.slice(0, -1), sealed.slice(0, -4), `${sealed}A`, `${sealed}=`, ` ${sealed}`]) {
      expect(await reasonOf(open(ring, 'content', context, value))).to.equal('SEALED_VALUE_INVALID');
    }
  });

  it('says that the key is away when it is, not that the value is bad; and the opposite for an unknown version', async () => {
    const { ring } = fixedRing();
    const sealed = await seal(ring, 'content', context, text);
    const away = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_UNAVAILABLE')) });
    const unknown = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_VERSION_NOT_FOUND')) });
    expect(await reasonOf(open(away, 'content', context, sealed))).to.equal('KEY_UNAVAILABLE');
    expect(await reasonOf(open(unknown, 'content', context, sealed))).to.equal('SEALED_VALUE_INVALID');
    const retired = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_VERSION_RETIRED')) });
    expect(await reasonOf(open(retired, 'content', context, sealed))).to.equal('SEALED_VALUE_INVALID');
  });
});
