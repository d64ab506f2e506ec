/** The job that takes a document through the pipeline. */
import type { StageJob } from '@wardstone/queue';
import type { SealedDocument } from './domain/document.ts';

/** Ids only. A subject that is not plain ASCII (few providers have such) is written percent-encoded. */
export function flowJob(document: SealedDocument, traceparent?: string): StageJob {
  return {
    tenantId: document.tenantId,
    documentId: document.documentId,
    version: document.version,
    requestId: document.requestId,
    requestedBy: encodeURI(document.createdBy.toWellFormed()).slice(0, 255),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
