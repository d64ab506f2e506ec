/** A key ring over tenant-key's GetDataKeys. */
import { AppError, asPrincipal, type Principal, type ServiceClient } from '@wardstone/rpc';
import {
  KeyPurpose as WirePurpose,
  type TenantKeyService,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createKeyRing, type FetchedKey, type KeyPurpose, type KeyRing } from './key-ring.ts';

const wirePurposes: Readonly<Record<KeyPurpose, WirePurpose>> = {
  objects: WirePurpose.OBJECTS,
  content: WirePurpose.CONTENT,
  terms: WirePurpose.TERMS,
  vectors: WirePurpose.VECTORS,
  history: WirePurpose.HISTORY,
};

const attempts = 3;
const firstBackoffMs = 50;
const timeoutMs = 3000;

/** Reasons that pass through: they are answers, not faults on the way. */
const answers: readonly string[] = [
  'KEY_VERSION_NOT_FOUND',
  'TENANT_NOT_FOUND',
  'TENANT_REQUIRED',
  'PERMISSION_DENIED',
  'CALLER_NOT_ACCEPTED',
  'INVALID_ARGUMENT',
];

/**
 * Keys from tenant-key, asked for in the name of the service itself: a right to keys is a service's, never a user's. Three
 * attempts; then KEY_UNAVAILABLE (503). Keys that are held go on serving until they expire.
 */
export function createRemoteKeyRing(client: ServiceClient<typeof TenantKeyService>, service: string): KeyRing {
  return createKeyRing({
    fetch: async (tenantId, purpose, version) => {
      const principal: Principal = { subject: `service:${service}`, kind: 'service', tenantId, roles: ['service'] };
      return withRetry(async () => {
        const request = { purpose: wirePurposes[purpose], version };
        const response = await client.getDataKeys(request, asPrincipal(principal, { timeoutMs }));
        const { dataKey, currentVersion, maxAgeSeconds } = response;
        if (dataKey === undefined) throw new AppError('KEY_UNAVAILABLE');
        const { key, version: fetched } = dataKey;
        return { key, version: fetched, currentVersion, maxAgeMs: maxAgeSeconds * 1000 };
      });
    },
  });
}

async function withRetry(ask: () => Promise<FetchedKey>): Promise<FetchedKey> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      const known = AppError.from(error);
      if (answers.includes(known.reason)) throw known;
      if (attempt >= attempts) throw new AppError('KEY_UNAVAILABLE', { cause: error });
      const delayMs = firstBackoffMs * 2 ** attempt * (0.5 + Math.random() / 2);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}
