/** The name of a tenant's KMS key: tenant-key gives it, and S3 is told to encrypt under it. */
import { needs } from '@wardstone/rpc';

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `alias/<prefix>/<tenantId>`. Thrown: INTERNAL when the tenant id is no lower-case UUID. */
export function tenantKeyAlias(prefix: string, tenantId: string): string {
  needs(uuidPattern.test(tenantId), 'INTERNAL', { message: 'a tenant id is a lower-case UUID' });
  return `alias/${prefix}/${tenantId}`;
}
