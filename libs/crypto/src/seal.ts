/**
 * Sealing of single values: JWE compact (RFC 7516), `dir` + `A256GCM`. The protected header names the key and the place
 * the value belongs to; a value that is moved elsewhere does not open. The format is in this package's README.
 */
import { AppError } from '@wardstone/rpc';
import { compactDecrypt, CompactEncrypt } from 'jose';
import type { KeyPurpose } from './key-ring.ts';
import { headerOf, invalid, maxClearBytes, readSealed, type SealContext, type SealedText } from './sealed-text.ts';
import type { SealingKeys } from './subkeys.ts';

/** Seals a value under the current key of its purpose. Thrown: KEY_UNAVAILABLE and what else the ring throws. */
export async function seal(
  keys: SealingKeys,
  purpose: KeyPurpose,
  context: SealContext,
  plaintext: string | Uint8Array,
): Promise<SealedText> {
  const bytes = typeof plaintext === 'string' ? new TextEncoder().encode(plaintext) : plaintext;
  if (bytes.byteLength > maxClearBytes) throw new AppError('INTERNAL', { message: 'the value is too long to seal' });
  const { key, version } = await keys.current(context.tenantId, purpose);
  try {
    const jwe = new CompactEncrypt(bytes).setProtectedHeader({ ...headerOf(context, version) });
    return (await jwe.encrypt(key)) as SealedText;
  } finally {
    key.fill(0);
  }
}

/** Opens a sealed text. Thrown: SEALED_VALUE_INVALID, one error whatever is wrong with the value; KEY_UNAVAILABLE. */
export async function open(
  keys: SealingKeys,
  purpose: KeyPurpose,
  context: SealContext,
  sealed: string,
): Promise<string> {
  return new TextDecoder().decode(await openBytes(keys, purpose, context, sealed));
}

/** Opens sealed bytes. Thrown: the same as by `open`. */
export async function openBytes(
  keys: SealingKeys,
  purpose: KeyPurpose,
  context: SealContext,
  sealed: string,
): Promise<Uint8Array> {
  const { tenantId, resource, field, version } = readSealed(sealed);
  if (tenantId !== context.tenantId || resource !== context.resource || field !== context.field) throw invalid();
  const { key } = await keyOf(keys, purpose, tenantId, version);
  try {
    const { plaintext } = await compactDecrypt(sealed, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    return plaintext;
  } catch (cause) {
    throw invalid(cause);
  } finally {
    key.fill(0);
  }
}

/** A version that does not exist, or no longer does, is a fault of the value; a key service that is away is not. */
async function keyOf(
  keys: SealingKeys,
  purpose: KeyPurpose,
  tenantId: string,
  version: number,
): Promise<{ key: Uint8Array }> {
  try {
    return await keys.version(tenantId, purpose, version);
  } catch (error) {
    if (error instanceof AppError && versionFaults.includes(error.reason)) throw invalid(error);
    throw error;
  }
}

/** What a ring answers when a value, or a stream, names a version that opens nothing. */
export const versionFaults: readonly string[] = ['KEY_VERSION_NOT_FOUND', 'KEY_VERSION_RETIRED'];
