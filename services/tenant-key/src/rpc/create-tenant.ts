import { AppError, callContext, needs } from '@wardstone/rpc';
import { v7 as uuidv7 } from 'uuid';
import {
  chosenTenantId,
  checkedDisplayName,
  effectiveSettings,
  isSameTenant,
  type TenantSettings,
} from '../domain/tenant.ts';
import { dataKeyContext } from '../key-issuer.ts';
import type { NewTenant } from '../ports.ts';
import { toWireTenant } from '../wire.ts';
import type { Deps, Handlers } from './deps.ts';

const firstKeyVersion = 1;

/**
 * Makes a tenant. The KMS key comes first and is found again by the tenant's id, the rows last and together: a crash in
 * between leaves a key without a tenant, which the repeated call takes up, and never a tenant without a key.
 */
export function createTenant(deps: Pick<Deps, 'tenants' | 'kms' | 'auditor'>): Handlers['createTenant'] {
  const { tenants, kms, auditor } = deps;
  return async (request, ctx) => {
    const call = callContext(ctx);
    const tenantId = request.tenantId === '' ? uuidv7() : chosenTenantId(request.tenantId);
    const displayName = checkedDisplayName(request.displayName);
    const settings = effectiveSettings(request.settings);

    const existing = await tenants.find(tenantId);
    if (existing !== undefined) return repeated(existing, displayName, settings);

    const newTenant: NewTenant = { tenantId, displayName, settings, dataKey: await firstDataKey(kms, tenantId) };
    const tenant = await tenants.insert(newTenant, () =>
      auditor.record(call, {
        action: 'tenant.create',
        resourceType: 'tenant',
        resourceIds: [tenantId],
        outcome: 'success',
      }),
    );
    if (tenant !== undefined) return { tenant: toWireTenant(tenant) };

    // Somebody else made it between the look and the insert.
    const winner = await tenants.find(tenantId);
    needs(winner, 'INTERNAL');
    return repeated(winner, displayName, settings);
  };
}

function repeated(
  existing: Parameters<typeof isSameTenant>[0],
  displayName: string,
  settings: TenantSettings,
): { tenant: ReturnType<typeof toWireTenant> } {
  if (!isSameTenant(existing, displayName, settings)) throw new AppError('TENANT_ALREADY_EXISTS');
  return { tenant: toWireTenant(existing) };
}

async function firstDataKey(kms: Deps['kms'], tenantId: string): Promise<NewTenant['dataKey']> {
  const { keyId } = await kms.createKey(tenantId);
  const encryptionContext = dataKeyContext(tenantId, firstKeyVersion);
  const { plaintext, wrapped } = await kms.generateDataKey({ keyId, encryptionContext });
  // Only the wrapped form is stored; the key is unwrapped again when a service asks for it.
  plaintext.fill(0);
  return { version: firstKeyVersion, kmsKeyId: keyId, wrapped };
}
