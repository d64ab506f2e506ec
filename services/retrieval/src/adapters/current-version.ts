import type { KeyPurpose, KeyRing } from '@wardstone/crypto';

/** The version that new writes of a purpose use, as this process knows it. Thrown: KEY_UNAVAILABLE and what else the ring throws. */
export async function currentVersion(keys: KeyRing, tenantId: string, purpose: KeyPurpose): Promise<number> {
  const { key, version } = await keys.current(tenantId, purpose);
  key.fill(0);
  return version;
}
