/**
 * An embedded key management service: one AES-256 key per tenant, in files sealed under a master key. For development and
 * tests: who can read the directory can read every key. Production uses a real KMS behind the same port.
 */
import { randomBytes } from 'node:crypto';
import { access, constants, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, needs } from '@wardstone/rpc';
import { isDeletionWindow } from '../domain/tenant.ts';
import type { EncryptionContext, KeyManagementService } from '../ports.ts';
import { decrypt, encrypt, inKms, keyBytes, openMasterKey, writeOnce } from './software-kms-files.ts';
import { described, needsUsable, noSuchKey, openKeyStates } from './software-kms-states.ts';

const keyIdPattern = /^software:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const dayMs = 24 * 60 * 60_000;

/** Where the keys are, and, for tests, what time it is. */
export interface SoftwareKmsOptions {
  readonly dir: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * Opens the directory. The master key (`master.key`, 32 bytes, mode 0600) is made by the first start in an empty directory.
 * Changes of a key's state are put in line within the process, so that only one process should change them at a time.
 * Thrown: KEY_UNAVAILABLE when the master key is missing while tenants' keys are there, is not 32 bytes, or others may read
 * it: a new one would make every tenant unreadable without a word.
 */
export async function openSoftwareKms({ dir, now = Date.now }: SoftwareKmsOptions): Promise<KeyManagementService> {
  const keysDir = join(dir, 'keys');
  const masterKey = await inKms(() => openMasterKey(dir, keysDir));
  const keyFile = (tenantId: string): string => join(keysDir, `${tenantId}.key`);
  const states = openKeyStates({ keysDir, masterKey, keyFile, now });
  await states.sweep();

  /** Runs work with the tenant's key, which is wiped after it. */
  const withKey = async <T>(keyId: string, work: (key: Uint8Array) => T): Promise<T> => {
    const tenantId = tenantOf(keyId);
    needsUsable(await states.read(tenantId));
    const sealed = await inKms(() => readFile(keyFile(tenantId)));
    const key = decrypt(masterKey, { key: keyId }, sealed);
    try {
      return work(key);
    } finally {
      key.fill(0);
    }
  };

  return {
    createKey: async (tenantId) => {
      const keyId = `software:${tenantId}`;
      if (!keyIdPattern.test(keyId)) throw new AppError('INTERNAL', { message: 'a tenant id is a lower-case UUID' });
      const { state } = await states.read(tenantId);
      if (state === 'deleted') throw noSuchKey();
      if (state !== 'absent') return { keyId };
      const key = randomBytes(keyBytes);
      // The first to link its file makes the key; everybody after that finds it.
      await inKms(() => writeOnce(keyFile(tenantId), encrypt(masterKey, { key: keyId }, key)));
      key.fill(0);
      return { keyId };
    },
    generateDataKey: ({ keyId, encryptionContext }) =>
      withKey(keyId, (key) => {
        const plaintext = randomBytes(keyBytes);
        return { plaintext, wrapped: encrypt(key, encryptionContext, plaintext) };
      }),
    decrypt: ({ keyId, wrapped, encryptionContext }) =>
      withKey(keyId, (key) => unwrap(key, encryptionContext, wrapped)),
    reEncrypt: ({ keyId, wrapped, encryptionContext }) =>
      withKey(keyId, (key) => {
        const plaintext = unwrap(key, encryptionContext, wrapped);
        const again = encrypt(key, encryptionContext, plaintext);
        plaintext.fill(0);
        return again;
      }),
    describeKey: async (keyId) => {
      const tenantId = keyIdPattern.exec(keyId)?.[1];
      return tenantId === undefined ? { state: 'deleted' } : described(await states.read(tenantId));
    },
    disableKey: async (keyId) =>
      states.change(tenantOf(keyId), ({ state }) => (state === 'enabled' ? { state: 'disabled' } : undefined)),
    enableKey: async (keyId) =>
      states.change(tenantOf(keyId), ({ state }) => {
        needs(state !== 'pending-deletion', 'KEY_PENDING_DELETION');
        return state === 'disabled' ? { state: 'enabled' } : undefined;
      }),
    scheduleDeletion: async ({ keyId, windowDays }) => {
      needs(isDeletionWindow(windowDays), 'INTERNAL', { message: 'not a deletion window' });
      let deletionAtMs = now() + windowDays * dayMs;
      await states.change(tenantOf(keyId), (kept) => {
        if (kept.state !== 'pending-deletion') return { state: 'pending-deletion', deletionAtMs };
        deletionAtMs = kept.deletionAtMs;
        return undefined;
      });
      return { deletionAt: new Date(deletionAtMs) };
    },
    cancelDeletion: async (keyId) =>
      states.change(tenantOf(keyId), ({ state }) => (state === 'pending-deletion' ? { state: 'disabled' } : undefined)),
    check: () => inKms(() => access(keysDir, constants.R_OK | constants.W_OK | constants.X_OK)),
  };
}

function unwrap(key: Uint8Array, context: EncryptionContext, wrapped: Uint8Array): Uint8Array {
  const clear = decrypt(key, context, wrapped);
  needs(clear.byteLength === keyBytes, 'SEALED_VALUE_INVALID');
  return clear;
}

function tenantOf(keyId: string): string {
  const tenantId = keyIdPattern.exec(keyId)?.[1];
  if (tenantId === undefined) throw noSuchKey();
  return tenantId;
}
