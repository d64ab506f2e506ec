import { AppError, callContext } from '@wardstone/rpc';
import { toTenant } from '../adapters/postgres-tenants.ts';
import { lockTenant, setState } from '../db/tenants.ts';
import { recordForTenant } from '../lifecycle/record.ts';
import { toWireTenant } from '../wire.ts';
import type { Deps, LifecycleHandlers } from './deps.ts';

/** Suspends a tenant. One that leaves, or has left, is not suspended: TENANT_STATE_CONFLICT. */
export function suspendTenant(deps: Pick<Deps, 'database' | 'auditor'>): LifecycleHandlers['suspendTenant'] {
  return changeState(deps, { from: 'active', to: 'suspended', action: 'tenant.suspend' });
}

/** Resumes a tenant. One that leaves, or has left, is not resumed: TENANT_STATE_CONFLICT. */
export function resumeTenant(deps: Pick<Deps, 'database' | 'auditor'>): LifecycleHandlers['resumeTenant'] {
  return changeState(deps, { from: 'suspended', to: 'active', action: 'tenant.resume' });
}

interface Change {
  readonly from: 'active' | 'suspended';
  readonly to: 'active' | 'suspended';
  readonly action: 'tenant.suspend' | 'tenant.resume';
}

function changeState(
  { database, auditor }: Pick<Deps, 'database' | 'auditor'>,
  { from, to, action }: Change,
): LifecycleHandlers['suspendTenant'] & LifecycleHandlers['resumeTenant'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    const tenantId = request.tenantId.toLowerCase();
    const row = await database.inTenant(tenantId, async (tx) => {
      const found = await lockTenant(tx, tenantId);
      if (found.state === to) return found;
      if (found.state !== from) throw new AppError('TENANT_STATE_CONFLICT');
      await setState(tx, tenantId, to);
      await recordForTenant(auditor, call, tenantId, { action, resourceType: 'tenant', resourceIds: [tenantId] });
      return { ...found, state: to, revision: found.revision + 1 };
    });
    return { tenant: toWireTenant(toTenant(row)) };
  };
}
