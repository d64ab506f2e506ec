/** From wrapped data keys to purpose keys: unwrap by KMS, derive, wipe; what is derived is held for minutes, within bounds. */
import { createKeyRing, derivePurposeKey, type KeyRing } from '@wardstone/crypto';
import { needs } from '@wardstone/rpc';
import type { EncryptionContext, KeyManagementService, TenantStore } from './ports.ts';

/** Most purpose keys held at a time: five purposes of two hundred tenants. */
const maxKeys = 1000;

/** What a tenant's data key is bound to in KMS. */
export function dataKeyContext(tenantId: string, version: number): EncryptionContext {
  return { use: 'wardstone-data-key', tenant: tenantId, version: String(version) };
}

/** A ring over the store and KMS; versions are asked for by number. Thrown: KEY_VERSION_NOT_FOUND, KEY_VERSION_RETIRED, KEY_UNAVAILABLE, DATABASE_UNAVAILABLE. */
export function createKeyIssuer(options: {
  store: Pick<TenantStore, 'findDataKey'>;
  kms: Pick<KeyManagementService, 'decrypt'>;
  maxAgeMs: number;
}): Pick<KeyRing, 'version' | 'forget' | 'clear' | 'close'> {
  const { store, kms, maxAgeMs } = options;
  return createKeyRing({
    maxKeys,
    fetch: async (tenantId, purpose, version) => {
      const row = await store.findDataKey(tenantId, version);
      needs(row, 'KEY_VERSION_NOT_FOUND');
      needs(!row.retired, 'KEY_VERSION_RETIRED');
      const { kmsKeyId: keyId, wrapped } = row;
      const dataKey = await kms.decrypt({ keyId, wrapped, encryptionContext: dataKeyContext(tenantId, version) });
      try {
        return {
          key: derivePurposeKey(dataKey, tenantId, purpose, version),
          version,
          currentVersion: version,
          maxAgeMs,
        };
      } finally {
        dataKey.fill(0);
      }
    },
  });
}
