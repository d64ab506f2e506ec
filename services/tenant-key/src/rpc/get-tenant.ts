import { callContext, needs } from '@wardstone/rpc';
import { toWireTenant } from '../wire.ts';
import type { Deps, Handlers } from './deps.ts';

/**
 * One tenant. Who belongs to a tenant sees that one, and gets the answer of a missing tenant for every other; who belongs to
 * the platform sees any, and leaves an event.
 */
export function getTenant(deps: Pick<Deps, 'tenants' | 'auditor'>): Handlers['getTenant'] {
  const { tenants, auditor } = deps;
  return async (request, ctx) => {
    const call = callContext(ctx);
    const own = call.principal.tenantId;
    const tenantId = request.tenantId === '' ? own : request.tenantId.toLowerCase();
    needs(tenantId, 'TENANT_REQUIRED');
    needs(own === undefined || own === tenantId, 'TENANT_NOT_FOUND');

    const tenant = await tenants.find(tenantId);
    needs(tenant, 'TENANT_NOT_FOUND');
    if (own === undefined) {
      await auditor.record(call, {
        action: 'tenant.read',
        resourceType: 'tenant',
        resourceIds: [tenantId],
        outcome: 'success',
      });
    }
    return { tenant: toWireTenant(tenant) };
  };
}
