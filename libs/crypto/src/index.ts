export { createBlindTerms, type BlindTerms } from './blind-terms.ts';
export {
  createKeyRing,
  keyPurposes,
  type FetchedKey,
  type KeyPurpose,
  type KeyRing,
  type KeyRingOptions,
  type PurposeKey,
  type UnusedUses,
} from './key-ring.ts';
export { derivePurposeKey } from './derive.ts';
export { ifReadable } from './if-readable.ts';
export { open, openBytes, seal, versionFaults } from './seal.ts';
export { keyVersionOfSealed, type SealContext, type SealedText } from './sealed-text.ts';
export { sealedColumn, type SealedColumnOptions } from './sealed-column.ts';
export { keyVersionOfStream, openStream, sealStream, streamHeadBytes } from './stream.ts';
export { createSubkeys, type SealingKeys } from './subkeys.ts';
export { createVectorTransform, type VectorTransform } from './vector-transform.ts';
export { createRemoteKeyRing } from './remote-keys.ts';
