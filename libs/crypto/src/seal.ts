/**
 * Sealing of single values: JWE compact (RFC 7516), `dir` + `A256GCM`. The protected header names the key and the place
 * the value belongs to; a value that is moved elsewhere does not open. The format is in this package's README.
 */
import { AppError } from '@wardstone/rpc';
import { base64url, compactDecrypt, CompactEncrypt } from 'jose';
import type { KeyPurpose, KeyRing } from './key-ring.ts';

/** Where a sealed value belongs. All three are compared exactly when it is opened. */
export interface SealContext {
  readonly tenantId: string;
  /** Id of the row, for example of a document or chunk. */
  readonly resource: string;
  /** Name of the column or of the artefact. */
  readonly field: string;
}

/** Longest text or bytes that one value may have; longer things go through `sealStream`. */
const maxClearBytes = 16 * 1024 * 1024;
const maxSealedChars = Math.ceil((maxClearBytes * 4) / 3) + 4096;
const headerPattern = /"kid":"[0-9a-f-]{36}\/([1-9][0-9]{0,9})"/;

interface SealedHeader {
  readonly alg: 'dir';
  readonly enc: 'A256GCM';
  readonly kid: string;
  readonly ctx: { readonly tenant: string; readonly resource: string; readonly field: string };
}

/** Seals a value under the current key of its purpose. Thrown: KEY_UNAVAILABLE and what else the ring throws. */
export async function seal(
  keys: KeyRing,
  purpose: KeyPurpose,
  context: SealContext,
  plaintext: string | Uint8Array,
): Promise<string> {
  const bytes = typeof plaintext === 'string' ? new TextEncoder().encode(plaintext) : plaintext;
  if (bytes.byteLength > maxClearBytes) throw new AppError('INTERNAL', { message: 'the value is too long to seal' });
  const { key, version } = await keys.current(context.tenantId, purpose);
  try {
    return await new CompactEncrypt(bytes).setProtectedHeader({ ...headerOf(context, version) }).encrypt(key);
  } finally {
    key.fill(0);
  }
}

/** Opens a sealed text. Thrown: SEALED_VALUE_INVALID, one error whatever is wrong with the value; KEY_UNAVAILABLE. */
export async function open(keys: KeyRing, purpose: KeyPurpose, context: SealContext, sealed: string): Promise<string> {
  return new TextDecoder().decode(await openBytes(keys, purpose, context, sealed));
}

/** Opens sealed bytes. Thrown: the same as by `open`. */
export async function openBytes(
  keys: KeyRing,
  purpose: KeyPurpose,
  context: SealContext,
  sealed: string,
): Promise<Uint8Array> {
  const version = versionOf(sealed, context);
  const { key } = await keyOf(keys, purpose, context.tenantId, version);
  try {
    const { plaintext } = await compactDecrypt(sealed, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    return plaintext;
  } catch (cause) {
    throw new AppError('SEALED_VALUE_INVALID', { cause });
  } finally {
    key.fill(0);
  }
}

function headerOf({ tenantId, resource, field }: SealContext, version: number): SealedHeader {
  return {
    alg: 'dir',
    enc: 'A256GCM',
    kid: `${tenantId}/${String(version)}`,
    ctx: { tenant: tenantId, resource, field },
  };
}

/**
 * The key version that a sealed value names, once its shape and its whole header are what this context makes. The header
 * is compared as text, so that no second spelling of it (order, escapes, further members such as `zip`) is accepted; so
 * are the unused bits of base64url, which decoders ignore.
 */
function versionOf(sealed: string, context: SealContext): number {
  const parts = sealed.length > maxSealedChars ? [] : sealed.split('.');
  const [header, encryptedKey, iv, ciphertext, tag] = parts;
  const shaped = parts.length === 5 && header !== undefined && encryptedKey === '';
  if (!shaped || !isCanonical(iv, 12) || !isCanonical(ciphertext) || !isCanonical(tag, 16)) throw invalid();
  const version = Number(headerPattern.exec(Buffer.from(header, 'base64url').toString('utf8'))?.[1] ?? 0);
  if (version === 0 || header !== base64url.encode(JSON.stringify(headerOf(context, version)))) throw invalid();
  return version;
}

function isCanonical(part: string | undefined, bytes?: number): boolean {
  if (part === undefined) return false;
  const decoded = Buffer.from(part, 'base64url');
  return decoded.toString('base64url') === part && (bytes === undefined || decoded.byteLength === bytes);
}

/** A version that does not exist is a fault of the value; a key service that is away is not. */
async function keyOf(
  keys: KeyRing,
  purpose: KeyPurpose,
  tenantId: string,
  version: number,
): Promise<{ key: Uint8Array }> {
  try {
    return await keys.version(tenantId, purpose, version);
  } catch (error) {
    if (error instanceof AppError && error.reason === 'KEY_VERSION_NOT_FOUND') throw invalid();
    throw error;
  }
}

function invalid(): AppError {
  return new AppError('SEALED_VALUE_INVALID');
}
