import { AppError, callContext, needs, tenantOf } from '@wardstone/rpc';
import { mayHave } from '../domain/key-rights.ts';
import { toPurpose } from '../wire.ts';
import type { Deps, Handlers } from './deps.ts';

/** A purpose key of the caller's tenant. The caller is the service that opened the connection, whoever it works for. */
export function getDataKeys(
  deps: Pick<Deps, 'tenants' | 'keys' | 'auditor' | 'metrics' | 'keyMaxAgeMs'>,
): Handlers['getDataKeys'] {
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
    const version = request.version === 0 ? tenant.keyVersion : request.version;
    const { key } = await keys.version(tenantId, purpose, version);
    try {
      const attributes = { peer: call.peer, purpose, key_version: String(version) };
      await auditor.record(call, { ...event, outcome: 'success', attributes });
    } catch (error) {
      key.fill(0);
      throw error;
    }
    metrics.keysIssued.inc({ peer: call.peer, purpose });
    return {
      dataKey: { version, key },
      currentVersion: tenant.keyVersion,
      maxAgeSeconds: Math.floor(keyMaxAgeMs / 1000),
    };
  };
}
