export { objectKeyPattern, objectNotFound, type ObjectStore } from './object-store.ts';
export { createFileStore } from './file-store.ts';
export {
  createSealedObjects,
  type ObjectRef,
  type SealedObjects,
  type SealedObjectsOptions,
  type Written,
} from './sealed-objects.ts';
export { maxJsonLineBytes, parseJsonLines, toJsonLines } from './json-lines.ts';
