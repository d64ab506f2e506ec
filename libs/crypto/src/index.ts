export {
  createKeyRing,
  keyPurposes,
  type FetchedKey,
  type KeyPurpose,
  type KeyRing,
  type KeyRingOptions,
  type PurposeKey,
} from './key-ring.ts';
export { derivePurposeKey } from './derive.ts';
export { open, openBytes, seal, type SealContext } from './seal.ts';
export { openStream, sealStream } from './stream.ts';
export { createVectorTransform, type VectorTransform } from './vector-transform.ts';
export { createRemoteKeyRing } from './remote-keys.ts';
