import { createHash } from 'node:crypto';
import { createKeyRing, derivePurposeKey, type FetchedKey, type KeyPurpose, type KeyRing } from '../src/index.ts';

export const tenantA = '01890000-0000-7000-8000-00000000000a';
export const tenantB = '01890000-0000-7000-8000-00000000000b';

/** A data key that is the same in every run. */
export function dataKeyOf(tenantId: string, version: number): Uint8Array {
  return createHash('sha256')
    .update(`data key ${tenantId} ${String(version)}`)
    .digest();
}

/** A ring over data keys that are derived on the spot; `asked` lists what was fetched. */
export function fixedRing(options: { current?: number; maxAgeMs?: number } = {}): { ring: KeyRing; asked: string[] } {
  const { current = 1, maxAgeMs = 60_000 } = options;
  const asked: string[] = [];
  const fetch = (tenantId: string, purpose: KeyPurpose, version: number): Promise<FetchedKey> => {
    asked.push(`${tenantId}/${purpose}/${String(version)}`);
    const found = version === 0 ? current : version;
    const key = derivePurposeKey(dataKeyOf(tenantId, found), tenantId, purpose, found);
    return Promise.resolve({ key, version: found, currentVersion: current, maxAgeMs });
  };
  return { ring: createKeyRing({ fetch }), asked };
}

/** What a promise was rejected with; fails when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}
