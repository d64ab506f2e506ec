import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { createKeyRing, keyVersionOfSealed, open, openBytes, seal, type KeyRing } from '../src/index.ts';
import { rejection, tenantA } from './support.ts';

interface Vector<Test> {
  readonly tcId: number;
  readonly result: 'valid' | 'invalid';
  readonly comment: string;
  readonly params: { readonly ivSize: number; readonly keySize: number; readonly tagSize: number };
  readonly test: Test;
}

function vectorsOf<Test>(name: string): Vector<Test>[] {
  const text = readFileSync(new URL(`vectors/wycheproof/${name}.jsonl`, import.meta.url), 'utf8');
  const lines = text.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Vector<Test>);
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const label = ({ tcId, result, comment }: Vector<unknown>): string => `${String(tcId)} ${result} ${comment}`;

interface GcmTest {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

/** OpenSSL takes no longer ones, and refuses the one vector that has one. Ours have 96 bits. */
const longestIvBits = 1024;

/** AES-GCM as node:crypto has it, which the AWS Encryption SDK seals streams with. */
function nodeSeal({ key, iv, aad, msg }: Omit<GcmTest, 'ct' | 'tag'>): { ct: Buffer; tag: Buffer } {
  const cipher = createCipheriv(gcmOf(key), hex(key), hex(iv)).setAAD(hex(aad));
  const ct = Buffer.concat([cipher.update(hex(msg)), cipher.final()]);
  return { ct, tag: cipher.getAuthTag() };
}

function nodeOpen({ key, iv, aad, ct, tag }: GcmTest): string {
  const decipher = createDecipheriv(gcmOf(key), hex(key), hex(iv)).setAAD(hex(aad)).setAuthTag(hex(tag));
  return Buffer.concat([decipher.update(hex(ct)), decipher.final()]).toString('hex');
}

function gcmOf(key: string): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' {
  const bits = String(hex(key).length * 8);
  return `aes-${bits as '128' | '192' | '256'}-gcm`;
}

/** AES-GCM as WebCrypto has it, which jose seals values with. */
async function webOpen({ key, iv, aad, ct, tag }: GcmTest): Promise<string> {
  const secret = await webcrypto.subtle.importKey('raw', hex(key), 'AES-GCM', false, ['decrypt']);
  const algorithm = { name: 'AES-GCM', iv: hex(iv), additionalData: hex(aad), tagLength: 128 };
  const clear = await webcrypto.subtle.decrypt(algorithm, secret, Buffer.concat([hex(ct), hex(tag)]));
  return Buffer.from(clear).toString('hex');
}

describe('Wycheproof: AES-GCM', () => {
  const vectors = vectorsOf<GcmTest>('aes_gcm');

  it('node:crypto, under the streams: agrees with every valid vector and refuses every invalid one', () => {
    for (const vector of vectors) {
      const { msg, ct, tag } = vector.test;
      if (vector.params.ivSize > longestIvBits) {
        expect(() => nodeOpen(vector.test), label(vector)).to.throw('Invalid initialization vector');
      } else if (vector.result === 'valid') {
        expect(nodeOpen(vector.test), label(vector)).to.equal(msg);
        expect(nodeSeal(vector.test), label(vector)).to.deep.equal({ ct: hex(ct), tag: hex(tag) });
      } else {
        expect(() => nodeOpen(vector.test), label(vector)).to.throw();
      }
    }
    expect(vectors).to.have.length(118);
  });

  // jose takes IVs of 96 bits only.
  const ours = vectors.filter(({ params }) => params.keySize === 256 && params.ivSize === 96);

  it('WebCrypto, under the values: the same for keys of 256 and IVs of 96 bits', async () => {
    for (const vector of ours) {
      if (vector.result === 'valid') expect(await webOpen(vector.test), label(vector)).to.equal(vector.test.msg);
      else await rejection(webOpen(vector.test));
    }
    expect(ours).to.have.length(29);
  });

  it('openBytes: opens the key, IV and message of every vector in our format, and refuses its change of the tag', async () => {
    for (const vector of ours) {
      const { value, ring } = asSealedValue(vector);
      if (vector.result === 'valid') {
        const clear = await openBytes(ring, 'content', place, value);
        expect(Buffer.from(clear).toString('hex'), label(vector)).to.equal(vector.test.msg);
      } else {
        const error = await rejection(openBytes(ring, 'content', place, value));
        expect((error as AppError).reason, label(vector)).to.equal('SEALED_VALUE_INVALID');
      }
    }
  });

  it('seal: what it makes is what node:crypto opens with the header as additional data', async () => {
    const key = Buffer.alloc(32, 7);
    const [header = '', , iv, ct, tag] = (await seal(ringOf(key), 'content', place, 'the dose is 500 mg')).split('.');
    const parts = [iv, ct, tag].map((part) => Buffer.from(part ?? '', 'base64url').toString('hex'));
    const [ivHex = '', ctHex = '', tagHex = ''] = parts;
    const aad = Buffer.from(header, 'ascii').toString('hex');
    const clear = nodeOpen({ key: key.toString('hex'), iv: ivHex, aad, msg: '', ct: ctHex, tag: tagHex });
    expect(hex(clear).toString()).to.equal('the dose is 500 mg');
  });
});

const place = { tenantId: tenantA, resource: 'row', field: 'text' };

function ringOf(key: Uint8Array): KeyRing {
  return createKeyRing({
    fetch: (_tenantId, _purpose, version) =>
      Promise.resolve({ key: Uint8Array.from(key), version: version || 1, currentVersion: 1, maxAgeMs: 1000 }),
  });
}

/** A vector's key, IV and message as a value of ours, made by node:crypto; an invalid one has its tag changed as the vector's is. */
function asSealedValue({ test }: Vector<GcmTest>): { value: string; ring: KeyRing } {
  const ctx = { tenant: place.tenantId, resource: place.resource, field: place.field };
  const header = JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid: `${tenantA}/1`, ctx });
  const encoded = Buffer.from(header).toString('base64url');
  const { ct, tag } = nodeSeal({ ...test, aad: Buffer.from(encoded).toString('hex') });
  const rightTag = nodeSeal(test).tag;
  const change = hex(test.tag).map((byte, at) => byte ^ (rightTag[at] ?? 0));
  const changed = tag.map((byte, at) => byte ^ (change[at] ?? 0));
  const parts = [hex(test.iv), ct, changed].map((part) => Buffer.from(part).toString('base64url'));
  return { value: [encoded, '', ...parts].join('.'), ring: ringOf(hex(test.key)) };
}

describe('Wycheproof: HMAC-SHA-256, under the blind terms', () => {
  const vectors = vectorsOf<{ readonly key: string; readonly msg: string; readonly tag: string }>('hmac_sha256');

  it('createHmac: gives every valid tag, whole or truncated, and no invalid one', () => {
    for (const vector of vectors) {
      const { key, msg, tag } = vector.test;
      const mac = createHmac('sha256', createSecretKey(hex(key)))
        .update(hex(msg))
        .digest()
        .subarray(0, vector.params.tagSize / 8);
      expect(mac.equals(hex(tag)), label(vector)).to.equal(vector.result === 'valid');
    }
    expect(vectors).to.have.length(69);
  });
});

describe('Wycheproof: HKDF-SHA-256, under the purpose keys', () => {
  interface HkdfTest {
    readonly ikm: string;
    readonly salt: string;
    readonly info: string;
    readonly size: number;
    readonly okm: string;
  }
  const vectors = vectorsOf<HkdfTest>('hkdf_sha256');

  it('hkdfSync: gives every valid output and refuses the others', () => {
    for (const vector of vectors) {
      const { ikm, salt, info, size, okm } = vector.test;
      const derive = () => Buffer.from(hkdfSync('sha256', hex(ikm), hex(salt), hex(info), size)).toString('hex');
      if (vector.result === 'valid') expect(derive(), label(vector)).to.equal(okm);
      else expect(derive, label(vector)).to.throw();
    }
    expect(vectors).to.have.length(25);
  });
});

describe('Wycheproof: JSON Web Encryption', () => {
  const vectors = vectorsOf<{ readonly jwe: string }>('json_web_encryption');

  it('open: refuses all of them, valid or not: none is of the one algorithm and the one header that are ours', async () => {
    const ring = ringOf(Buffer.alloc(32, 7));
    for (const vector of vectors) {
      const error = await rejection(open(ring, 'content', place, vector.test.jwe));
      expect((error as AppError).reason, label(vector)).to.equal('SEALED_VALUE_INVALID');
      expect(() => keyVersionOfSealed(vector.test.jwe), label(vector)).to.throw(AppError);
    }
    expect(vectors).to.have.length(59);
  });
});
