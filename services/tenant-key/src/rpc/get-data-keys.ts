import type { KeyPurpose } from '@wardstone/crypto';
import { systemPrincipal } from '@wardstone/access';
import { AppError, callContext, needs, tenantOf, type CallContext } from '@wardstone/rpc';
import { v7 as uuidv7 } from 'uuid';
import { countLease } from '../db/tenants.ts';
import { mayHave } from '../domain/key-rights.ts';
import { mayLease, mustRotate, usesPerLease } from '../domain/key-uses.ts';
import { requireActive, type Tenant } from '../domain/tenant.ts';
import { startRotation, type RotationDeps } from '../lifecycle/start-rotation.ts';
import { toPurpose } from '../wire.ts';
import type { Deps, Handlers } from './deps.ts';

type KeyDeps = RotationDeps & Pick<Deps, 'keys' | 'metrics'>;

/** A purpose key of the caller's tenant. The caller is the service that opened the connection, whoever it works for. */
export function getDataKeys(deps: KeyDeps): Handlers['getDataKeys'] {
  const { tenants, keys, auditor, metrics, keyMaxAgeMs } = deps;
  return async (request, ctx) => {
    const call = callContext(ctx);
    const tenantId = tenantOf(call);
    const purpose = toPurpose(request.purpose);
    const event = { action: 'data-key.read', resourceType: 'data-key', resourceIds: [tenantId] } as const;
    if (!mayHave(call.peer, purpose)) {
      const attributes = { peer: call.peer, purpose };
      // Nothing is given out, so that the refusal stands whether or not the event was recorded.
      await auditor
        .record(call, { ...event, outcome: 'denied', reason: 'PERMISSION_DENIED', attributes })
        .catch((error: unknown) => {
          call.log.error({ err: error, peer: call.peer, purpose }, 'a refused key request was not recorded');
        });
      throw new AppError('PERMISSION_DENIED');
    }

    const tenant = await tenants.find(tenantId);
    needs(tenant, 'TENANT_NOT_FOUND');
    requireActive(tenant);
    const version = request.version === 0 ? tenant.keyVersion : request.version;
    const { key } = await keys.version(tenantId, purpose, version);
    try {
      // To open is not counted; who seals gets a lease.
      const unused = request.unusedVersion === version ? request.unusedUses : 0;
      const maxUses = request.version === 0 ? await lease(deps, call, tenant, purpose, unused) : 0;
      const attributes = { peer: call.peer, purpose, key_version: String(version) };
      await auditor.record(call, { ...event, outcome: 'success', attributes });
      metrics.keysIssued.inc({ peer: call.peer, purpose });
      return {
        dataKey: { version, key },
        currentVersion: tenant.keyVersion,
        maxAgeSeconds: Math.floor(keyMaxAgeMs / 1000),
        maxUses,
      };
    } catch (error) {
      key.fill(0);
      throw error;
    }
  };
}

/** Uses of the current key for one caller. A key that has come near its bound is rotated. Thrown: KEY_UNAVAILABLE beyond it. */
async function lease(
  deps: KeyDeps,
  call: CallContext,
  { tenantId, keyVersion: version }: Tenant,
  purpose: KeyPurpose,
  unused: number,
): Promise<number> {
  const usesOut = await deps.database.inTenant(tenantId, async (tx) => {
    const out = await countLease(tx, tenantId, { peer: call.peer, purpose, version, uses: usesPerLease, unused });
    if (!mayLease(out))
      throw new AppError('KEY_UNAVAILABLE', { cause: new Error('the uses of the key are exhausted') });
    return out;
  });
  if (mustRotate(usesOut)) await rotateForUses(deps, call, tenantId);
  return usesPerLease;
}

/** Whoever comes next tries again: half of the bound is left when this begins. */
async function rotateForUses(deps: KeyDeps, call: CallContext, tenantId: string): Promise<void> {
  const principal = systemPrincipal('tenant-key', tenantId);
  const wanted = { tenantId, rotationId: uuidv7(), cause: 'use-limit' } as const;
  await startRotation(deps, { principal, requestId: call.requestId }, wanted).catch((error: unknown) => {
    if (AppError.from(error).reason === 'KEY_ROTATION_IN_PROGRESS') return;
    call.log.warn({ err: error, tenantId }, 'a key that is used much could not be rotated yet');
  });
}
