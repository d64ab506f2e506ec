import { needs, type CallContext } from '@wardstone/rpc';

/**
 * The tenant that a call is about: for a principal of a tenant its own, for one of the platform the one it names.
 * Thrown: TENANT_NOT_FOUND for another's, the same as for one that never was; TENANT_REQUIRED when none is named.
 */
export function targetTenant({ principal }: Pick<CallContext, 'principal'>, requested: string): string {
  const own = principal.tenantId;
  const tenantId = requested === '' ? own : requested.toLowerCase();
  needs(tenantId, 'TENANT_REQUIRED');
  needs(own === undefined || own === tenantId, 'TENANT_NOT_FOUND');
  return tenantId;
}
