import { needs } from '@wardstone/rpc';
import type { Tenant } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantStateSchema } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { enumName } from './enums.ts';
import { toInstant } from './timestamp.ts';

/** A tenant as the API shows it. Thrown: INTERNAL when the service answered without one. */
export function toTenant(tenant: Tenant | undefined) {
  needs(tenant, 'INTERNAL');
  return {
    tenantId: tenant.tenantId,
    displayName: tenant.displayName,
    // A state that is not known here is no promise that the tenant may be used.
    state: enumName(TenantStateSchema, tenant.state, 'SUSPENDED'),
    settings: {
      chunkSizeChars: tenant.settings?.chunkSizeChars ?? 0,
      chunkOverlapChars: tenant.settings?.chunkOverlapChars ?? 0,
      deletionWindowDays: tenant.settings?.deletionWindowDays ?? 0,
    },
    keyVersion: tenant.keyVersion,
    createdAt: toInstant(tenant.createdAt),
    etag: tenant.etag,
  };
}
