/**
 * Sealing of streams: the AWS Encryption SDK's message format version 2, framed, with key commitment and without
 * signatures, over a raw AES keyring that holds the tenant's objects key. The format is in this package's README.
 */
import { Duplex } from 'node:stream';
import { buildDecrypt, type MessageHeader } from '@aws-crypto/decrypt-node';
import { buildEncrypt } from '@aws-crypto/encrypt-node';
import {
  AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  type EncryptedDataKey,
  type EncryptionContext,
  KeyringNode,
  NodeAlgorithmSuite,
  type NodeDecryptionMaterial,
  type NodeEncryptionMaterial,
} from '@aws-crypto/material-management-node';
import { RawAesKeyringNode } from '@aws-crypto/raw-aes-keyring-node';
import { RawAesWrappingSuiteIdentifier } from '@aws-crypto/raw-keyring';
import { deserializeFactory } from '@aws-crypto/serialize';
import { AppError } from '@wardstone/rpc';
import type { KeyRing } from './key-ring.ts';
import { versionFaults } from './seal.ts';
import type { SealContext } from './sealed-text.ts';

/** Clear bytes in a frame. Measured on two cores: 64 KiB frames seal half as fast, 1 MiB frames hardly faster. */
const frameBytes = 256 * 1024;
/** Bytes from the beginning of a sealed stream that hold its header, as long as resource and field have 500 bytes together. */
export const streamHeadBytes = 1024;
/** `keyNamespace` of the keyring. */
const namespace = 'wardstone';
const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
const wrappingSuite = RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING;
/** Sealed bytes that may be under way between the two ends of an opening stream. */
const inFlightBytes = 8 * 1024 * 1024;

const clientOptions = { commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT, maxEncryptedDataKeys: 1 };
const { encryptStream } = buildEncrypt(clientOptions);
const { decryptUnsignedMessageStream } = buildDecrypt(clientOptions);
const { deserializeMessageHeader } = deserializeFactory((bytes) => Buffer.from(bytes).toString(), NodeAlgorithmSuite);

/** Seals what is written to it under the tenant's current objects key. Thrown: what the ring throws. */
export async function sealStream(keys: KeyRing, context: SealContext): Promise<Duplex> {
  const { key, version } = await keys.current(context.tenantId, 'objects');
  const encryptionContext = contextOf(context, version);
  // The keyring works after this function has returned; it wipes the key when it has wrapped the message's key.
  const inner = encryptStream(new OnceKeyring(context.tenantId, version, key), {
    suiteId,
    frameLength: frameBytes,
    encryptionContext,
  });
  return new Bridge(inner, { asError: (cause) => new AppError('INTERNAL', { cause }), stop: finishUnread });
}

/**
 * Opens what `sealStream` made for exactly this context. Clear bytes come out frame by frame, each after its tag was
 * checked; who needs the whole message must wait for the end, because only the end shows that nothing was cut off.
 *
 * Emitted as error: SEALED_VALUE_INVALID, one error whatever is wrong with the bytes; KEY_UNAVAILABLE.
 */
export function openStream(keys: KeyRing, context: SealContext): Duplex {
  const inner = decryptUnsignedMessageStream(new RingKeyring(keys, context));
  const meter = new LengthMeter();
  inner.once('MessageHeader', (header: MessageHeader) => {
    meter.headerBytes = headerBytesOf(header);
  });
  const asError = (cause: unknown): AppError => {
    const fault = cause instanceof AppError ? cause : undefined;
    return fault ?? new AppError('SEALED_VALUE_INVALID', { cause });
  };
  return new Bridge(inner, { asError, meter, stop: (stream) => stream.destroy() });
}

/**
 * The key version that a sealed stream names, from 1, read from its beginning without any key: `streamHeadBytes` of it, or
 * all when it is shorter. Nothing is authenticated by that; only opening it proves anything.
 * Thrown: SEALED_VALUE_INVALID when these bytes begin no stream that `sealStream` makes.
 */
export function keyVersionOfStream(head: Uint8Array): number {
  return versionIn(encryptionContextOf(head));
}

function encryptionContextOf(head: Uint8Array): EncryptionContext {
  try {
    const header = deserializeMessageHeader(head, { maxEncryptedDataKeys: clientOptions.maxEncryptedDataKeys });
    if (header !== false && header.messageHeader.suiteId === suiteId) return header.messageHeader.encryptionContext;
  } catch (cause) {
    throw new AppError('SEALED_VALUE_INVALID', { cause });
  }
  throw new AppError('SEALED_VALUE_INVALID');
}

/** The encryption context: authenticated with the header, in clear beside the ciphertext; ids only. */
function contextOf({ tenantId, resource, field }: SealContext, version: number): EncryptionContext {
  return { tenant: tenantId, resource, field, purpose: 'objects', version: String(version) };
}

/** A keyring for one message under a key that is at hand. */
class OnceKeyring extends KeyringNode {
  readonly #tenantId: string;
  readonly #version: number;
  readonly #key: Uint8Array;

  constructor(tenantId: string, version: number, key: Uint8Array) {
    super();
    this.#tenantId = tenantId;
    this.#version = version;
    this.#key = key;
  }

  async _onEncrypt(material: NodeEncryptionMaterial): Promise<NodeEncryptionMaterial> {
    try {
      return await rawKeyring(this.#tenantId, this.#version, this.#key).onEncrypt(material);
    } finally {
      this.#key.fill(0);
    }
  }

  _onDecrypt(): Promise<NodeDecryptionMaterial> {
    return Promise.reject(new AppError('INTERNAL', { message: 'this keyring only seals' }));
  }
}

/** A keyring that finds the version in the message, checks the whole context, and asks the ring for the key. */
class RingKeyring extends KeyringNode {
  readonly #keys: KeyRing;
  readonly #context: SealContext;

  constructor(keys: KeyRing, context: SealContext) {
    super();
    this.#keys = keys;
    this.#context = context;
  }

  _onEncrypt(): Promise<NodeEncryptionMaterial> {
    return Promise.reject(new AppError('INTERNAL', { message: 'this keyring only opens' }));
  }

  async _onDecrypt(material: NodeDecryptionMaterial, dataKeys: EncryptedDataKey[]): Promise<NodeDecryptionMaterial> {
    const version = versionOf(material.encryptionContext, this.#context);
    const { key } = await keyOf(this.#keys, this.#context.tenantId, version);
    try {
      return await rawKeyring(this.#context.tenantId, version, key).onDecrypt(material, dataKeys);
    } finally {
      key.fill(0);
    }
  }
}

function rawKeyring(tenantId: string, version: number, unencryptedMasterKey: Uint8Array): RawAesKeyringNode {
  return new RawAesKeyringNode({
    keyNamespace: namespace,
    keyName: `${tenantId}/${String(version)}`,
    unencryptedMasterKey,
    wrappingSuite,
    utf8Sorting: true,
  });
}

/** The version that the message names, once its whole context is the expected one. */
function versionOf(found: EncryptionContext, context: SealContext): number {
  const version = versionIn(found);
  const expected = Object.entries(contextOf(context, version));
  const same = expected.every(([name, value]) => found[name] === value);
  if (!same || Object.keys(found).length !== expected.length) throw new AppError('SEALED_VALUE_INVALID');
  return version;
}

function versionIn(found: EncryptionContext): number {
  const digits = /^[1-9][0-9]{0,9}$/.exec(found['version'] ?? '')?.[0];
  if (digits === undefined) throw new AppError('SEALED_VALUE_INVALID');
  return Number(digits);
}

async function keyOf(keys: KeyRing, tenantId: string, version: number): Promise<{ key: Uint8Array }> {
  try {
    return await keys.version(tenantId, 'objects', version);
  } catch (cause) {
    const unknown = cause instanceof AppError && versionFaults.includes(cause.reason);
    throw unknown ? new AppError('SEALED_VALUE_INVALID', { cause }) : cause;
  }
}

/** Counts both ends of an opening stream: the SDK passes over bytes that follow the last frame, this refuses them. */
class LengthMeter {
  headerBytes = 0;
  sealedBytes = 0;
  clearBytes = 0;

  /** Whether so much more was written than came out that something must follow the last frame. */
  overrun(): boolean {
    return this.sealedBytes - this.#expected() > inFlightBytes;
  }

  exact(): boolean {
    return this.sealedBytes === this.#expected();
  }

  /** Length of a message of so many clear bytes: frames have a number, an IV and a tag, the last also a mark and a length. */
  #expected(): number {
    const fullFrames = Math.floor(this.clearBytes / frameBytes);
    const frameOverhead = 4 + 12 + 16;
    return this.headerBytes + this.clearBytes + fullFrames * frameOverhead + 4 + 4 + frameOverhead;
  }
}

/** Bytes of a serialised version 2 header with its authentication tag. */
function headerBytesOf(header: MessageHeader): number {
  const context = Object.entries(header.encryptionContext).map(
    ([name, value]) => 4 + Buffer.byteLength(name) + Buffer.byteLength(value),
  );
  const dataKeys = header.encryptedDataKeys.map(
    (edk) => 6 + Buffer.byteLength(edk.providerId) + providerInfoBytes(edk) + edk.encryptedDataKey.byteLength,
  );
  const sum = (lengths: number[]): number => lengths.reduce((total, length) => total + length, 0);
  // version 1, suite 2, message id 32, context length 2 and count 2, key count 2, content type 1, frame length 4,
  // commitment 32, tag 16
  return 1 + 2 + 32 + 2 + 2 + sum(context) + 2 + sum(dataKeys) + 1 + 4 + 32 + 16;
}

/** The SDK keeps the provider info as text and, when it is not text (a raw AES keyring's IV), as the bytes it was. */
function providerInfoBytes(edk: EncryptedDataKey): number {
  return edk.rawInfo?.byteLength ?? Buffer.byteLength(edk.providerInfo);
}

/**
 * Ends a sealing stream that nobody wants any more. The SDK's (5.0.2) must not be destroyed: its inner pipeline has no
 * callback and throws "Premature close" out of the event loop, which ends the process. Ended and read out instead, it
 * seals what it holds, disposes of its key and is gone.
 */
function finishUnread(inner: Duplex): void {
  inner.resume();
  inner.end();
}

interface BridgeOptions {
  readonly asError: (cause: unknown) => AppError;
  /** Releases the inner stream and its key. */
  readonly stop: (inner: Duplex) => void;
  readonly meter?: LengthMeter;
}

/** A native stream around the SDK's (readable-stream 3): back-pressure both ways, one mapped error, and a safe end. */
class Bridge extends Duplex {
  readonly #inner: Duplex;
  readonly #options: BridgeOptions;

  constructor(inner: Duplex, options: BridgeOptions) {
    super();
    this.#inner = inner;
    this.#options = options;
    const { meter, asError } = options;
    inner.on('data', (chunk: Buffer) => {
      if (this.destroyed) return;
      if (meter !== undefined) meter.clearBytes += chunk.byteLength;
      if (!this.push(chunk)) inner.pause();
    });
    inner.on('end', () => {
      if (this.destroyed) return;
      if (meter?.exact() === false) this.destroy(asError(new Error('bytes after the last frame')));
      else this.push(null);
    });
    inner.on('error', (cause: unknown) => {
      this.destroy(asError(cause));
    });
    inner.pause();
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const { meter, asError } = this.#options;
    if (meter !== undefined) {
      meter.sealedBytes += chunk.byteLength;
      if (meter.overrun()) {
        callback(asError(new Error('bytes after the last frame')));
        return;
      }
    }
    this.#inner.write(chunk, () => {
      callback();
    });
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#inner.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // After a normal end there is nothing left to stop: both calls find a stream that has ended.
    this.#options.stop(this.#inner);
    callback(error);
  }
}
