/**
 * Keys of one further use, derived from purpose keys: HKDF-SHA-256 (RFC 5869). What a service keeps beside what its purpose is
 * for gets a key of its own, without a further right at tenant-key, and opens under no other use of the purpose key.
 */
import { hkdfSync } from 'node:crypto';
import { needs } from '@wardstone/rpc';
import type { KeyPurpose, KeyRing, PurposeKey } from './key-ring.ts';

const keyBytes = 32;
const usePattern = /^[a-z][a-z0-9-]{0,62}\/v[1-9][0-9]?$/;

/** Fixed, public: it separates this use of HKDF from the one that makes purpose keys. */
const salt = 'wardstone/subkey/v1';

/** What sealing and opening need of a ring. */
export type SealingKeys = Pick<KeyRing, 'current' | 'version'>;

/**
 * The keys of a ring as the further use `use` has them: every key that it gives is HKDF-SHA-256 of the purpose key.
 *
 * salt = UTF-8 of `wardstone/subkey/v1`; info = UTF-8 of `tenant=<uuid>;purpose=<purpose>;version=<decimal>;use=<use>`. A hand-out
 * counts for the purpose key's lease, so that what is sealed under all its subkeys together stays within the bound of one key.
 * Thrown by the lookups: what the ring throws. Thrown: INTERNAL when `use` is no plain name with its version, such as `cache/v1`.
 */
export function createSubkeys(keys: SealingKeys, use: string): SealingKeys {
  needs(usePattern.test(use), 'INTERNAL', { message: 'a use of keys is a plain name with its version' });
  return {
    current: async (tenantId, purpose) => subkeyOf(await keys.current(tenantId, purpose), use),
    version: async (tenantId: string, purpose: KeyPurpose, version: number) =>
      subkeyOf(await keys.version(tenantId, purpose, version), use),
  };
}

/** The purpose key is this function's own copy, and is wiped. */
function subkeyOf({ tenantId, purpose, version, key }: PurposeKey, use: string): PurposeKey {
  const info = `tenant=${tenantId};purpose=${purpose};version=${String(version)};use=${use}`;
  try {
    return { tenantId, purpose, version, key: new Uint8Array(hkdfSync('sha256', key, salt, info, keyBytes)) };
  } finally {
    key.fill(0);
  }
}
