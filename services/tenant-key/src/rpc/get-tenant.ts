import { callContext, needs } from '@wardstone/rpc';
import { toWireTenant } from '../wire.ts';
import type { Deps, Handlers } from './deps.ts';
import { targetTenant } from './target-tenant.ts';

/**
 * One tenant. Who belongs to a tenant sees that one, and gets the answer of a missing tenant for every other; who belongs to
 * the platform sees any, and leaves an event.
 */
export function getTenant(deps: Pick<Deps, 'tenants' | 'auditor'>): Handlers['getTenant'] {
  const { tenants, auditor } = deps;
  return async (request, ctx) => {
    const call = callContext(ctx);
    const tenantId = targetTenant(call, request.tenantId);

    const tenant = await tenants.find(tenantId);
    needs(tenant, 'TENANT_NOT_FOUND');
    if (call.principal.tenantId === undefined) {
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
