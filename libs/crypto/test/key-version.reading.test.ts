import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { keyVersionOfSealed, keyVersionOfStream, seal, sealStream, streamHeadBytes } from '../src/index.ts';
import sealVectors from './vectors/seal.json' with { type: 'json' };
import streamVectors from './vectors/stream.json' with { type: 'json' };
import { fixedRing, tenantA } from './support.ts';

function reasonOf(read: () => unknown): string {
  try {
    return `read ${String(read())}`;
  } catch (error) {
    return error instanceof AppError ? error.reason : String(error);
  }
}

describe('keyVersionOfSealed', () => {
  it('reads the version of a value without its key', async () => {
    for (const { sealed, current } of sealVectors) expect(keyVersionOfSealed(sealed)).to.equal(current);
    const context = { tenantId: tenantA, resource: 'r', field: 'f' };
    const latest = await seal(fixedRing({ current: 2 ** 31 - 1 }).ring, 'content', context, 'text');
    expect(keyVersionOfSealed(latest)).to.equal(2 ** 31 - 1);
  });

  it('refuses what is no sealed value', () => {
    const [header = '', ...rest] = (sealVectors[0]?.sealed ?? '').split('.');
    const clear = Buffer.from(header, 'base64url').toString();
    const headers = ['', '{', '[]', 'null', '1', '"x"', '{"kid":1}', `${clear} `, clear.replace('/1', '/0')];
    const changed = headers.map((text) => [Buffer.from(text).toString('base64url'), ...rest].join('.'));
    for (const text of [...changed, '', 'plain text', '....', `${header}....`, `${[header, ...rest].join('.')}.`]) {
      expect(
        reasonOf(() => keyVersionOfSealed(text)),
        text,
      ).to.equal('SEALED_VALUE_INVALID');
    }
  });
});

describe('keyVersionOfStream', () => {
  async function headOf(version: number, resource: string): Promise<Buffer> {
    const sealer = await sealStream(fixedRing({ current: version }).ring, { tenantId: tenantA, resource, field: 'f' });
    sealer.end(Buffer.alloc(streamHeadBytes));
    const chunks: Buffer[] = [];
    for await (const chunk of sealer) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).subarray(0, streamHeadBytes);
  }

  it('reads the version of a stream from its beginning, without its key', async () => {
    for (const { sealed } of streamVectors) expect(keyVersionOfStream(Buffer.from(sealed, 'base64'))).to.equal(1);
    expect(keyVersionOfStream(await headOf(7, 'short'))).to.equal(7);
    expect(keyVersionOfStream(await headOf(2 ** 31 - 1, 'r'.repeat(499)))).to.equal(2 ** 31 - 1);
  });

  it('reads it from a view into a larger buffer', async () => {
    const head = await headOf(7, 'short');
    const larger = Buffer.concat([Buffer.alloc(13, 0xff), head, Buffer.alloc(5)]);
    expect(keyVersionOfStream(larger.subarray(13, 13 + head.length))).to.equal(7);
  });

  it('refuses what begins no sealed stream', async () => {
    const head = await headOf(7, 'short');
    const at = head.indexOf('version') + 'version'.length;
    const noVersion = Buffer.from(head);
    noVersion.write('z', at + 2);
    const version1 = Buffer.from(head);
    version1[0] = 1;
    const otherSuite = Buffer.from(head);
    otherSuite[1] = 5;
    const cut = [0, 1, 36, 37, 100, 300].map((length) => head.subarray(0, length));
    for (const bytes of [...cut, Buffer.from('%PDF-1.7'), Buffer.alloc(1024), noVersion, version1, otherSuite]) {
      expect(reasonOf(() => keyVersionOfStream(bytes))).to.equal('SEALED_VALUE_INVALID');
    }
  });
});
