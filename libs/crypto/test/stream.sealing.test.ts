import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buildDecrypt } from '@aws-crypto/decrypt-node';
import { CommitmentPolicy } from '@aws-crypto/material-management-node';
import { RawAesKeyringNode } from '@aws-crypto/raw-aes-keyring-node';
import { RawAesWrappingSuiteIdentifier } from '@aws-crypto/raw-keyring';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import {
  createKeyRing,
  derivePurposeKey,
  openStream,
  sealStream,
  type KeyRing,
  type SealContext,
} from '../src/index.ts';
import vectors from './vectors/stream.json' with { type: 'json' };
import { dataKeyOf, fixedRing, rejection, tenantA, tenantB } from './support.ts';

const context: SealContext = {
  tenantId: tenantA,
  resource: '01890000-0000-7000-8000-000000000001/1',
  field: 'original',
};
const frameBytes = 256 * 1024;
const frameOverhead = 4 + 12 + 16;
const finalFrameOverhead = frameOverhead + 8;

async function sealed(ring: KeyRing, clear: Uint8Array, at: SealContext = context): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await pipeline(Readable.from([clear]), await sealStream(ring, at), async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

/** Opens bytes that arrive in pieces of `pieceBytes`; tells what came out before it ended or failed. */
async function opened(
  ring: KeyRing,
  bytes: Buffer,
  options: { at?: SealContext; pieceBytes?: number } = {},
): Promise<{ clear: Buffer; reason?: string }> {
  const { at = context, pieceBytes = 64 * 1024 } = options;
  const chunks: Buffer[] = [];
  const pieces = function* (): Generator<Buffer> {
    for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
  };
  try {
    await pipeline(Readable.from(pieces()), openStream(ring, at), async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) chunks.push(chunk);
    });
    return { clear: Buffer.concat(chunks) };
  } catch (error) {
    return { clear: Buffer.concat(chunks), reason: error instanceof AppError ? error.reason : String(error) };
  }
}

/** Header and frames of a message whose clear length is known. */
function frames(message: Buffer, clearBytes: number): { header: Buffer; frames: Buffer[] } {
  const full = Math.floor(clearBytes / frameBytes);
  const body = full * (frameBytes + frameOverhead) + finalFrameOverhead + (clearBytes % frameBytes);
  const header = message.subarray(0, message.length - body);
  const list = Array.from({ length: full }, (_, index) => {
    const start = header.length + index * (frameBytes + frameOverhead);
    return message.subarray(start, start + frameBytes + frameOverhead);
  });
  return { header, frames: [...list, message.subarray(header.length + full * (frameBytes + frameOverhead))] };
}

describe('sealStream and openStream', () => {
  const lengths = [0, 1, frameBytes - 1, frameBytes, frameBytes + 1, 3 * frameBytes, 3 * frameBytes + 17];
  for (const length of lengths) {
    it(`give ${String(length)} bytes back, whatever the pieces`, async () => {
      const { ring } = fixedRing();
      const clear = randomBytes(length);
      const message = await sealed(ring, clear);
      for (const pieceBytes of [997, 64 * 1024, message.length]) {
        expect((await opened(ring, message, { pieceBytes })).clear.equals(clear)).to.equal(true);
      }
    });
  }

  for (const { sealed: message, plaintext, ...at } of vectors) {
    it('opens the committed vector, byte by byte', async () => {
      const { clear } = await opened(fixedRing().ring, Buffer.from(message, 'base64'), { at, pieceBytes: 1 });
      expect(clear.toString()).to.equal(plaintext);
    });
  }

  it('writes what the SDK alone opens with the derived key, and binds exactly the documented context', async () => {
    const { ring } = fixedRing({ current: 2 });
    const message = await sealed(ring, Buffer.from('plain SDK'));
    const { decrypt } = buildDecrypt(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
    const keyring = new RawAesKeyringNode({
      keyNamespace: 'wardstone',
      keyName: `${tenantA}/2`,
      unencryptedMasterKey: Uint8Array.from(derivePurposeKey(dataKeyOf(tenantA, 2), tenantA, 'objects', 2)),
      wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
      utf8Sorting: true,
    });
    const { plaintext, messageHeader } = await decrypt(keyring, message);
    expect(plaintext.toString()).to.equal('plain SDK');
    expect({ ...messageHeader.encryptionContext }).to.deep.equal({
      tenant: tenantA,
      resource: context.resource,
      field: 'original',
      purpose: 'objects',
      version: '2',
    });
    expect([messageHeader.suiteId, messageHeader.frameLength]).to.deep.equal([0x0478, frameBytes]);
  });
});

describe('openStream: a message elsewhere', () => {
  const moved: [string, Partial<SealContext>][] = [
    ['another tenant', { tenantId: tenantB }],
    ['another document', { resource: '01890000-0000-7000-8000-000000000002/1' }],
    ['another version', { resource: '01890000-0000-7000-8000-000000000001/2' }],
    ['another name', { field: 'chunks' }],
  ];
  for (const [name, change] of moved) {
    it(`does not open under ${name}, and gives not one byte`, async () => {
      const { ring, asked } = fixedRing();
      const message = await sealed(ring, randomBytes(1000));
      const before = asked.length;
      const result = await opened(ring, message, { at: { ...context, ...change } });
      expect(result).to.deep.equal({ clear: Buffer.alloc(0), reason: 'SEALED_VALUE_INVALID' });
      expect(asked.length, 'no key is asked for').to.equal(before);
    });
  }

  it('does not open when the key version in its header is changed', async () => {
    const { ring, asked } = fixedRing({ current: 2 });
    const message = await sealed(ring, randomBytes(1000));
    const at = message.indexOf('version') + 'version'.length + 2;
    expect(message.toString('latin1', at, at + 1)).to.equal('2');
    message.write('1', at);
    expect(await opened(ring, message)).to.deep.equal({ clear: Buffer.alloc(0), reason: 'SEALED_VALUE_INVALID' });
    expect(asked.at(-1), 'asked for by the version it names').to.equal(`${tenantA}/objects/1`);
  });

  it('says that the key is away when it is, not that the message is bad', async () => {
    const message = await sealed(fixedRing().ring, randomBytes(1000));
    const away = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_UNAVAILABLE')) });
    const unknown = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_VERSION_NOT_FOUND')) });
    expect((await opened(away, message)).reason).to.equal('KEY_UNAVAILABLE');
    expect((await opened(unknown, message)).reason).to.equal('SEALED_VALUE_INVALID');
    const retired = createKeyRing({ fetch: () => Promise.reject(new AppError('KEY_VERSION_RETIRED')) });
    expect((await opened(retired, message)).reason).to.equal('SEALED_VALUE_INVALID');
    expect(await rejection(sealStream(away, context))).to.have.property('reason', 'KEY_UNAVAILABLE');
  });
});

describe('openStream: an altered message', () => {
  const clear = randomBytes(3 * frameBytes + 1000);

  it('refuses every cut: in the header, in a frame, between frames, before the last', async () => {
    const { ring } = fixedRing();
    const message = await sealed(ring, clear);
    const { header } = frames(message, clear.length);
    const step = frameBytes + frameOverhead;
    const ends = [0, 1, header.length - 1, header.length, header.length + 100, header.length + step];
    for (const end of [...ends, header.length + 2 * step + 8, header.length + 3 * step, message.length - 1]) {
      const result = await opened(ring, message.subarray(0, end));
      expect(result.reason, `cut at ${String(end)}`).to.equal('SEALED_VALUE_INVALID');
      expect(clear.subarray(0, result.clear.length).equals(result.clear), 'only whole checked frames').to.equal(true);
    }
  });

  it('refuses frames that changed places, were repeated, left out, or come from another message', async () => {
    const { ring } = fixedRing();
    const message = await sealed(ring, clear);
    const { header, frames: list } = frames(message, clear.length);
    const other = frames(await sealed(ring, clear), clear.length).frames;
    const [first, second, third, last] = list as [Buffer, Buffer, Buffer, Buffer];
    const orders: Record<string, Buffer[]> = {
      swapped: [second, first, third, last],
      'swapped later': [first, third, second, last],
      repeated: [first, first, second, third, last],
      'left out': [first, third, last],
      'left out at the end': [first, second, last],
      foreign: [first, other[1] ?? first, third, last],
    };
    expect((await opened(ring, Buffer.concat([header, ...list]))).clear.equals(clear)).to.equal(true);
    for (const [name, order] of Object.entries(orders)) {
      const result = await opened(ring, Buffer.concat([header, ...order]));
      expect(result.reason, name).to.equal('SEALED_VALUE_INVALID');
    }
  });

  it('refuses every flip of a single bit in a short message', async () => {
    const { ring } = fixedRing();
    const message = await sealed(ring, Buffer.from('short'));
    const wrong: number[] = [];
    for (let bit = 0; bit < message.length * 8; bit += 1) {
      const flipped = Buffer.from(message);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const result = await opened(ring, flipped);
      if (result.reason !== 'SEALED_VALUE_INVALID' || result.clear.length > 0) wrong.push(bit);
    }
    expect(wrong).to.deep.equal([]);
  }).timeout(60_000);

  it('refuses bytes after the last frame, few or without end', async () => {
    const { ring } = fixedRing();
    const message = await sealed(ring, clear);
    for (const extra of [1, 100, 20 * 1024 * 1024]) {
      const result = await opened(ring, Buffer.concat([message, Buffer.alloc(extra)]));
      expect(result.reason, String(extra)).to.equal('SEALED_VALUE_INVALID');
    }
  });
});

describe('sealed streams: resources', () => {
  it('keep memory flat over 256 MiB there and back', async () => {
    const { ring } = fixedRing();
    const piece = randomBytes(256 * 1024);
    const pieces = 1024;
    const source = function* (): Generator<Buffer> {
      for (let sent = 0; sent < pieces; sent += 1) yield piece;
    };
    const hash = createHash('sha256');
    let peakBytes = 0;
    let bytes = 0;
    const startBytes = process.memoryUsage().rss;
    await pipeline(
      Readable.from(source()),
      await sealStream(ring, context),
      openStream(ring, context),
      async (clear: AsyncIterable<Buffer>) => {
        for await (const chunk of clear) {
          hash.update(chunk);
          bytes += chunk.length;
          peakBytes = Math.max(peakBytes, process.memoryUsage().rss - startBytes);
        }
      },
    );
    const expected = createHash('sha256');
    for (const chunk of source()) expected.update(chunk);
    expect(bytes).to.equal(pieces * piece.length);
    expect(hash.digest('hex')).to.equal(expected.digest('hex'));
    expect(peakBytes).to.be.lessThan(128 * 1024 * 1024);
  }).timeout(60_000);

  it('end when they are destroyed in the middle, on either side', async () => {
    const { ring } = fixedRing();
    const endless = function* (): Generator<Buffer> {
      for (;;) yield Buffer.alloc(64 * 1024);
    };
    const stop = new AbortController();
    let seen = 0;
    const consume = async (clear: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of clear) {
        seen += chunk.length;
        if (seen > 1024 * 1024) stop.abort();
      }
    };
    const run = pipeline(
      Readable.from(endless()),
      await sealStream(ring, context),
      openStream(ring, context),
      consume,
      { signal: stop.signal },
    );
    expect(await rejection(run)).to.have.property('name', 'AbortError');
    const failing = pipeline(
      Readable.from(endless()),
      await sealStream(ring, context),
      async (source: AsyncIterable<Buffer>) => {
        for await (const chunk of source) if (chunk.length > 0) throw new Error('the sink is full');
      },
    );
    expect(await rejection(failing)).to.have.property('message', 'the sink is full');
  });
});
