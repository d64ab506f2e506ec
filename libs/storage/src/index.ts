export { type ObjectHead, type ObjectStore, type PutOptions } from './object-store.ts';
export { createFileStore } from './file-store.ts';
export { createS3Store, type S3StoreOptions } from './s3-store.ts';
export { openObjectStore } from './open-object-store.ts';
export { tenantKmsKeys } from './tenant-kms-keys.ts';
export {
  createSealedObjects,
  type DocumentRef,
  type ObjectRef,
  type PartName,
  type SealedObjects,
  type SealedObjectsOptions,
  type Written,
} from './sealed-objects.ts';
export { maxJsonLineBytes, parseJsonLines, toJsonLines } from './json-lines.ts';
