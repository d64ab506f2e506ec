/** Derivation of purpose keys from a tenant's data key: HKDF-SHA-256 (RFC 5869). */
import { hkdfSync } from 'node:crypto';
import { needs } from '@wardstone/rpc';
import { keyPurposes, type KeyPurpose } from './key-ring.ts';

const keyBytes = 32;
const maxVersion = 2 ** 31 - 1;
const tenantPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Fixed, public: it separates this use of HKDF from any other use of the same input. */
const salt = 'wardstone/purpose-key/v1';

/**
 * The 32-byte key of one purpose and version.
 *
 * salt = UTF-8 of `wardstone/purpose-key/v1`; info = UTF-8 of `tenant=<uuid>;purpose=<purpose>;version=<decimal>`. The info
 * string is unambiguous: a UUID in lower case, a word of a fixed list and a number without leading zeros.
 * Thrown: INTERNAL on a key that is not 32 bytes, a tenant that is no lower-case UUID, a version below 1.
 */
export function derivePurposeKey(
  dataKey: Uint8Array,
  tenantId: string,
  purpose: KeyPurpose,
  version: number,
): Uint8Array {
  needs(dataKey.byteLength === keyBytes, 'INTERNAL', { message: 'a data key has 32 bytes' });
  needs(tenantPattern.test(tenantId), 'INTERNAL', { message: 'a tenant id is a lower-case UUID' });
  needs(keyPurposes.includes(purpose), 'INTERNAL', { message: 'unknown key purpose' });
  needs(Number.isInteger(version) && version >= 1 && version <= maxVersion, 'INTERNAL', { message: 'bad key version' });
  const info = `tenant=${tenantId};purpose=${purpose};version=${String(version)}`;
  return new Uint8Array(hkdfSync('sha256', dataKey, salt, info, keyBytes));
}
