/** Documents on the wire: converted once, on the way out. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { specOf } from '@wardstone/rpc';
import {
  DocumentSchema,
  DocumentState as WireState,
  type Document as WireDocument,
} from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { etagOf } from '../domain/document.ts';
import type { Document, DocumentState } from '../domain/document.ts';

const wireStates: Readonly<Record<DocumentState, WireState>> = {
  // Never sent: a document that is uploading is not visible.
  UPLOADING: WireState.UNSPECIFIED,
  RECEIVED: WireState.RECEIVED,
  EXTRACTING: WireState.EXTRACTING,
  EMBEDDING: WireState.EMBEDDING,
  INDEXING: WireState.INDEXING,
  READY: WireState.READY,
  FAILED: WireState.FAILED,
  DELETING: WireState.DELETING,
};

export function toWire(document: Document): WireDocument {
  const failure = document.state === 'FAILED' ? document.failureReason : null;
  return create(DocumentSchema, {
    documentId: document.documentId,
    version: document.version,
    title: document.title,
    fileName: document.fileName,
    mediaType: document.mediaType,
    sizeBytes: BigInt(document.sizeBytes),
    state: wireStates[document.state],
    percent: document.percent,
    ...(failure === null ? {} : { failure: { reason: failure, message: specOf(failure).message } }),
    pageCount: document.pageCount,
    chunkCount: document.chunkCount,
    createdBy: document.createdBy,
    createdAt: timestampFromDate(document.createdAt),
    updatedAt: timestampFromDate(document.updatedAt),
    etag: etagOf(document),
    labels: [...document.labels],
    metadata: { ...document.metadata },
  });
}

/** The state of the same name; undefined for UNSPECIFIED and for numbers of a later version. */
export function fromWireState(state: WireState): DocumentState | undefined {
  const found = Object.entries(wireStates).find(([, wire]) => wire === state && wire !== WireState.UNSPECIFIED);
  return found?.[0] as DocumentState | undefined;
}
