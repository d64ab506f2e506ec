import { documentFailures, needs, reasons } from '@wardstone/rpc';
import { type Document, DocumentStateSchema } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { enumName } from './enums.ts';
import { toInstant } from './timestamp.ts';

/** A document as the API shows it. Thrown: INTERNAL when the service answered without one. */
export function toDocument(document: Document | undefined) {
  needs(document, 'INTERNAL');
  const { failure } = document;
  return {
    documentId: document.documentId,
    version: document.version,
    title: document.title,
    fileName: document.fileName,
    mediaType: document.mediaType,
    sizeBytes: Number(document.sizeBytes),
    state: enumName(DocumentStateSchema, document.state, 'RECEIVED'),
    percent: document.percent,
    ...(failure === undefined ? {} : { failure: toFailure(failure) }),
    pageCount: document.pageCount,
    chunkCount: document.chunkCount,
    createdBy: document.createdBy,
    createdAt: toInstant(document.createdAt),
    updatedAt: toInstant(document.updatedAt),
    etag: document.etag,
    labels: document.labels,
    metadata: document.metadata,
  };
}

/** Why it failed. A reason that documents are not said to fail with is a fault of ours, and shown as one. */
function toFailure({ reason, message }: { readonly reason: string; readonly message: string }) {
  const known = documentFailures.find((failure) => failure === reason);
  return known === undefined
    ? { reason: 'INTERNAL' as const, message: reasons.INTERNAL.message }
    : { reason: known, message };
}
