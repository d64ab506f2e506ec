/** What the software KMS keeps in files: how they are sealed, and how they come to be whole. */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@wardstone/rpc';
import type { EncryptionContext } from '../ports.ts';

/** Of the master key, of a tenant's key, and of a data key. */
export const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
/** First byte of everything sealed here: format 1 is AES-256-GCM as version, IV, ciphertext, tag. */
const format = 1;

/** The master key of the directory; made when nothing was sealed under one yet. Thrown: Error when it is not fit for use. */
export async function openMasterKey(dir: string, keysDir: string): Promise<Uint8Array> {
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'master.key');
  const keys = await readdir(keysDir);
  if (keys.length === 0) await writeOnce(path, randomBytes(keyBytes));
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) throw new Error('others may read the master key: its mode must be 0600');
  const masterKey = await readFile(path);
  if (masterKey.byteLength !== keyBytes) throw new Error('the master key has not 32 bytes');
  return masterKey;
}

/** Writes a file that is complete and durable when it appears; keeps the one that is there. */
export async function writeOnce(path: string, content: Uint8Array): Promise<void> {
  const temporary = await writeTemporary(path, content);
  try {
    await link(temporary, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await unlink(temporary);
  }
  await syncFolderOf(path);
}

/** Writes a file that is complete and durable when it appears, in place of the one that is there. */
export async function replace(path: string, content: Uint8Array): Promise<void> {
  const temporary = await writeTemporary(path, content);
  await rename(temporary, path);
  await syncFolderOf(path);
}

/** Removes a file, durably; nothing happens when there is none. */
export async function remove(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolderOf(path);
}

/** The bytes of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeTemporary(path: string, content: Uint8Array): Promise<string> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return temporary;
}

async function syncFolderOf(path: string): Promise<void> {
  const dir = await open(join(path, '..'), 'r');
  await dir.sync().finally(() => dir.close());
}

/** The context as bytes: JSON of its pairs sorted by name, so that the order in which they were given does not matter. */
function additionalData(context: EncryptionContext): Buffer {
  const pairs = Object.entries(context).sort(([one], [other]) => (one < other ? -1 : 1));
  return Buffer.from(JSON.stringify(pairs));
}

export function encrypt(key: Uint8Array, context: EncryptionContext, clear: Uint8Array): Uint8Array {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(additionalData(context));
  return Buffer.concat([Uint8Array.of(format), iv, cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
}

/** Thrown: SEALED_VALUE_INVALID when key, context or a single bit differs. */
export function decrypt(key: Uint8Array, context: EncryptionContext, sealed: Uint8Array): Uint8Array {
  try {
    if (sealed.byteLength < 1 + ivBytes + tagBytes || sealed[0] !== format) throw new Error('not sealed here');
    const iv = sealed.subarray(1, 1 + ivBytes);
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
      .setAAD(additionalData(context))
      .setAuthTag(sealed.subarray(-tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(1 + ivBytes, -tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new AppError('SEALED_VALUE_INVALID', { cause });
  }
}

/** Runs what touches the files. Thrown: KEY_UNAVAILABLE for whatever fails there; AppErrors pass. */
export async function inKms<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError('KEY_UNAVAILABLE', { cause });
  }
}
