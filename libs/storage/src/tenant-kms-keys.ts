import { tenantKeyAlias } from '@wardstone/aws';

/**
 * From an object to the KMS key of its tenant: every object of the platform is under `tenants/{tenantId}/`.
 * The result throws INTERNAL for a key that is not.
 */
export function tenantKmsKeys(aliasPrefix: string): (objectKey: string) => string {
  return (objectKey) => tenantKeyAlias(aliasPrefix, /^tenants\/([^/]+)\//.exec(objectKey)?.[1] ?? '');
}
