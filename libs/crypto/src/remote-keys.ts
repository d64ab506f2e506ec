/** A key ring over tenant-key's GetDataKeys. */
import { AppError, asPrincipal, type Principal, type ServiceClient, withRetry } from '@wardstone/rpc';
import {
  KeyPurpose as WirePurpose,
  type GetDataKeysResponse,
  type TenantKeyService,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createKeyRing, type FetchedKey, type KeyPurpose, type KeyRing, type UnusedUses } from './key-ring.ts';

const wirePurposes: Readonly<Record<KeyPurpose, WirePurpose>> = {
  objects: WirePurpose.OBJECTS,
  content: WirePurpose.CONTENT,
  terms: WirePurpose.TERMS,
  vectors: WirePurpose.VECTORS,
  history: WirePurpose.HISTORY,
};

const retry = {
  attempts: 3,
  delays: { firstMs: 100, maxMs: 200 },
  mayRetry: ({ reason }: AppError) => !answers.includes(reason),
};
const timeoutMs = 3000;

/** Reasons that pass through: they are answers, not faults on the way. */
const answers: readonly string[] = [
  'KEY_VERSION_NOT_FOUND',
  'KEY_VERSION_RETIRED',
  // Of the tenant's key in KMS, and of the platform's way to it: somebody has to act, and asking again changes nothing.
  'KEY_DISABLED',
  'KEY_PENDING_DELETION',
  'KMS_ACCESS_DENIED',
  'CREDENTIALS_EXPIRED',
  'CLOCK_SKEW',
  'TENANT_NOT_FOUND',
  'TENANT_SUSPENDED',
  'TENANT_OFFBOARDING',
  'TENANT_REQUIRED',
  'PERMISSION_DENIED',
  'CALLER_NOT_ACCEPTED',
  'INVALID_ARGUMENT',
];
/** Answers that say that the tenant has no keys any more: none that is held serves on, of whatever purpose. */
const revocations: readonly string[] = ['TENANT_NOT_FOUND', 'TENANT_SUSPENDED', 'TENANT_OFFBOARDING'];
/** The greatest int32 of protobuf. */
const maxInt32 = 2 ** 31 - 1;

/**
 * Keys from tenant-key, asked for in the name of the service itself: a right to keys is a service's, never a user's. Three
 * attempts; then KEY_UNAVAILABLE (503), or AUDIT_UNAVAILABLE (503) where handing keys out cannot be recorded. What KMS says of
 * the key, or of our rights to it, is passed on. Keys that are held go on serving until they expire, unless tenant-key answers that the
 * tenant is gone, suspended or being offboarded: then all of the tenant's are wiped at once.
 */
export function createRemoteKeyRing(client: ServiceClient<typeof TenantKeyService>, service: string): KeyRing {
  const ring = createKeyRing({
    fetch: async (tenantId, purpose, version, unused) => {
      const principal: Principal = { subject: `service:${service}`, kind: 'service', tenantId, roles: ['service'] };
      try {
        return await withRetry(async (attempt) => {
          // Given back once only: an attempt whose answer was lost may have been counted.
          const returned = attempt === 1 ? unused : undefined;
          const request = { purpose: wirePurposes[purpose], version, ...wireUnused(returned) };
          return fetched(version, await client.getDataKeys(request, asPrincipal(principal, { timeoutMs })));
        }, retry);
      } catch (error) {
        const known = AppError.from(error);
        if (revocations.includes(known.reason)) ring.forget(tenantId);
        const isPassedOn = answers.includes(known.reason) || known.reason === 'AUDIT_UNAVAILABLE';
        throw isPassedOn ? known : new AppError('KEY_UNAVAILABLE', { cause: error });
      }
    },
  });
  return ring;
}

function wireUnused(unused: UnusedUses | undefined): { unusedUses: number; unusedVersion: number } {
  return { unusedUses: Math.min(unused?.uses ?? 0, maxInt32), unusedVersion: unused?.version ?? 0 };
}

function fetched(asked: number, response: GetDataKeysResponse): FetchedKey {
  const { dataKey, currentVersion, maxAgeSeconds, maxUses } = response;
  if (dataKey === undefined) throw new AppError('KEY_UNAVAILABLE');
  const found = { key: dataKey.key, version: dataKey.version, currentVersion, maxAgeMs: maxAgeSeconds * 1000 };
  // A tenant-key that gives no leases (one from before they came) is asked for every use.
  return asked === 0 ? { ...found, maxUses: Math.max(1, maxUses) } : found;
}
