/** A tenant's settings from tenant-key, kept for a minute. */
import { systemPrincipal } from '@wardstone/access';
import { AppError, asPrincipal, type ServiceClient } from '@wardstone/rpc';
import type { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { ChunkSizes } from '../domain/chunking.ts';
import type { TenantSettings } from '../ports.ts';

const maxAgeMs = 60_000;
const maxTenants = 10_000;
const timeoutMs = 5_000;

/** The proto's defaults, should a tenant-key of an older version leave them out. */
const defaults: ChunkSizes = { chunkSizeChars: 1000, chunkOverlapChars: 150 };

export function createTenantSettings(
  client: Pick<ServiceClient<typeof TenantKeyService>, 'getTenant'>,
  now: () => number = Date.now,
): TenantSettings {
  const cache = new Map<string, { readonly sizes: ChunkSizes; readonly until: number }>();
  return {
    async chunkSizes(tenantId, signal) {
      const cached = cache.get(tenantId);
      if (cached !== undefined && cached.until > now()) return cached.sizes;
      const principal = systemPrincipal('ingestion', tenantId);
      const { tenant } = await client.getTenant({ tenantId }, asPrincipal(principal, { timeoutMs, signal }));
      if (tenant === undefined) throw new AppError('TENANT_NOT_FOUND');
      const sizes = {
        chunkSizeChars: tenant.settings?.chunkSizeChars || defaults.chunkSizeChars,
        chunkOverlapChars: tenant.settings?.chunkOverlapChars ?? defaults.chunkOverlapChars,
      };
      cache.delete(tenantId);
      cache.set(tenantId, { sizes, until: now() + maxAgeMs });
      const oldest = cache.keys().next();
      if (cache.size > maxTenants && oldest.done !== true) cache.delete(oldest.value);
      return sizes;
    },
  };
}
