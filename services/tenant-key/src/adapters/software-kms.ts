/**
 * An embedded key management service: one AES-256 key per tenant, in files sealed under a master key. For development and
 * tests: who can read the directory can read every key. Production uses a real KMS behind the same port.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { access, constants, link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@wardstone/rpc';
import type { EncryptionContext, KeyManagementService } from '../ports.ts';

const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
/** First byte of everything sealed here: format 1 is AES-256-GCM as version, IV, ciphertext, tag. */
const format = 1;
const keyIdPattern = /^software:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/**
 * Opens the directory. The master key (`master.key`, 32 bytes, mode 0600) is made by the first start in an empty directory.
 * Thrown: KEY_UNAVAILABLE when it is missing while tenants' keys are there, is not 32 bytes, or others may read it: a new
 * master key would make every tenant unreadable without a word.
 */
export async function openSoftwareKms(options: { dir: string }): Promise<KeyManagementService> {
  const keysDir = join(options.dir, 'keys');
  const masterKey = await inKms(() => openMasterKey(options.dir, keysDir));
  const fileOf = (tenantId: string): string => join(keysDir, `${tenantId}.key`);

  const tenantKey = async (keyId: string): Promise<Uint8Array> => {
    const tenantId = keyIdPattern.exec(keyId)?.[1];
    if (tenantId === undefined) throw new AppError('KEY_UNAVAILABLE', { cause: new Error('not a key of this KMS') });
    const sealed = await inKms(() => readFile(fileOf(tenantId)));
    return decrypt(masterKey, { key: keyId }, sealed);
  };

  return {
    createKey: async (tenantId) => {
      const keyId = `software:${tenantId}`;
      if (!keyIdPattern.test(keyId)) throw new AppError('INTERNAL', { message: 'a tenant id is a lower-case UUID' });
      const key = randomBytes(keyBytes);
      // The first to link its file makes the key; everybody after that finds it.
      await inKms(() => writeOnce(fileOf(tenantId), encrypt(masterKey, { key: keyId }, key)));
      key.fill(0);
      return { keyId };
    },
    generateDataKey: async ({ keyId, encryptionContext }) => {
      const key = await tenantKey(keyId);
      try {
        const plaintext = randomBytes(keyBytes);
        return { plaintext, wrapped: encrypt(key, encryptionContext, plaintext) };
      } finally {
        key.fill(0);
      }
    },
    decrypt: async ({ keyId, wrapped, encryptionContext }) => {
      const key = await tenantKey(keyId);
      try {
        return decrypt(key, encryptionContext, wrapped);
      } finally {
        key.fill(0);
      }
    },
    check: () => inKms(() => access(keysDir, constants.R_OK | constants.W_OK | constants.X_OK)),
  };
}

async function openMasterKey(dir: string, keysDir: string): Promise<Uint8Array> {
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
async function writeOnce(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(temporary, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await unlink(temporary);
  }
  const dir = await open(join(path, '..'), 'r');
  await dir.sync().finally(() => dir.close());
}

/** The context as bytes: JSON of its pairs sorted by name, so that the order in which they were given does not matter. */
function additionalData(context: EncryptionContext): Buffer {
  const pairs = Object.entries(context).sort(([one], [other]) => (one < other ? -1 : 1));
  return Buffer.from(JSON.stringify(pairs));
}

function encrypt(key: Uint8Array, context: EncryptionContext, clear: Uint8Array): Uint8Array {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(additionalData(context));
  return Buffer.concat([Uint8Array.of(format), iv, cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, context: EncryptionContext, sealed: Uint8Array): Uint8Array {
  try {
    if (sealed.byteLength !== 1 + ivBytes + keyBytes + tagBytes || sealed[0] !== format)
      throw new Error('not sealed here');
    const iv = sealed.subarray(1, 1 + ivBytes);
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
      .setAAD(additionalData(context))
      .setAuthTag(sealed.subarray(-tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(1 + ivBytes, -tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new AppError('SEALED_VALUE_INVALID', { cause });
  }
}

async function inKms<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new AppError('KEY_UNAVAILABLE', { cause });
  }
}
