/** The space that a tenant's vectors are stored and searched in, by the tenant's `vectors` key. */
import { createVectorTransform, type KeyRing, type PurposeKey } from '@wardstone/crypto';
import { embeddingDimensions } from '../domain/chunk.ts';

/** A tenant's space of one key version. Distances in it are what they are between the vectors as the model made them. */
export interface TenantSpace {
  readonly keyVersion: number;
  /** A model's vector, moved into this space; a new one. */
  enter(vector: Float32Array): Float32Array;
  /** The model's vector of one in this space; a new one. */
  leave(vector: Float32Array): Float32Array;
}

/** The space that new vectors are written to. Thrown: KEY_UNAVAILABLE. */
export async function currentSpace(keys: KeyRing, tenantId: string): Promise<TenantSpace> {
  return spaceOf(await keys.current(tenantId, 'vectors'));
}

/** The space of one version; version 0 is the model's own, from before vectors were transformed. Thrown: KEY_UNAVAILABLE. */
export async function spaceOfVersion(keys: KeyRing, tenantId: string, keyVersion: number): Promise<TenantSpace> {
  if (keyVersion === 0) return { keyVersion, enter: (vector) => vector, leave: (vector) => vector };
  return spaceOf(await keys.version(tenantId, 'vectors', keyVersion));
}

/** Made for each use and kept by nobody, so that it goes when the key goes; that takes about a millisecond. */
function spaceOf({ key, version }: PurposeKey): TenantSpace {
  const transform = createVectorTransform(key, embeddingDimensions);
  key.fill(0);
  return {
    keyVersion: version,
    enter: (vector) => transform.apply(vector),
    leave: (vector) => transform.invert(vector),
  };
}
