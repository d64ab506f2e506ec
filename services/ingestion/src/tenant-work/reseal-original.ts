/** Sealing an original again, in constant memory. */
import { AppError } from '@wardstone/rpc';
import type { ObjectRef } from '@wardstone/storage';
import type { SealedDocument } from '../domain/document.ts';
import type { Deps } from '../ports.ts';

/**
 * What cannot be opened is read a second time before it is believed: the old key is retired after this, and a transport
 * that lost bytes must not cost a document.
 */
const readings = 2;

type DocumentVersion = Pick<SealedDocument, 'tenantId' | 'documentId' | 'version'>;

/** Where a document's original lies. */
export function originalOf({ tenantId, documentId, version }: DocumentVersion): ObjectRef {
  return { tenantId, documentId, version, name: 'original' };
}

/**
 * The version under which the original now is; `unreadable` when it is missing or opens under no key; `changed` when it was
 * deleted or sealed again by somebody else meanwhile. It is written only over what was read. Whoever reads it at this time
 * reads on. Thrown: CANCELLED; OBJECT_STORE_UNAVAILABLE, KEY_UNAVAILABLE and what else storing and the keys throw.
 */
export async function resealOriginal(
  { objects }: Pick<Deps, 'objects'>,
  document: DocumentVersion,
  keyVersion: number,
  signal: AbortSignal,
): Promise<number | 'unreadable' | 'changed'> {
  const ref = originalOf(document);
  for (let reading = 1; ; reading += 1) {
    try {
      const ifMatch = await objects.etag(ref);
      if (ifMatch === undefined) return 'unreadable';
      const stored = await objects.keyVersion(ref);
      if (stored >= keyVersion) return stored;
      const source = await objects.read(ref, { signal });
      try {
        return (await objects.write(ref, source, { signal, ifMatch })).keyVersion;
      } finally {
        source.destroy();
      }
    } catch (error) {
      const { reason } = AppError.from(error);
      if (reason === 'OBJECT_CHANGED' || reason === 'NOT_FOUND') return 'changed';
      if (reason !== 'SEALED_VALUE_INVALID') throw error;
      if (reading === readings) return 'unreadable';
    }
  }
}
