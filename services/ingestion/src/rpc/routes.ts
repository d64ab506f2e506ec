/** Every RPC of the service, one file each. */
import type { ConnectRouter, ServiceImpl } from '@connectrpc/connect';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { Deps } from '../ports.ts';
import { deleteDocument } from './delete-document.ts';
import { downloadDocument } from './download-document.ts';
import { getDocument } from './get-document.ts';
import { listDocuments } from './list-documents.ts';
import { reportProgress } from './report-progress.ts';
import { uploadDocument } from './upload-document.ts';
import { watchDocument } from './watch-document.ts';

/**
 * Answers are never compressed, whatever the caller offers: each piece of a download would be, with a deflate state of
 * 256 KiB of its own. Measured, that took six times the CPU (28 s for 512 MiB, most of it in collections of garbage) and 79 MiB
 * more than the idle process for 1 GiB, instead of about 50; and originals are mostly compressed already.
 */
const uncompressed = { compressMinBytes: Number.MAX_SAFE_INTEGER };

export function routes(deps: Deps): (router: ConnectRouter) => void {
  const handlers: ServiceImpl<typeof IngestionService> = {
    uploadDocument: uploadDocument(deps),
    getDocument: getDocument(deps),
    listDocuments: listDocuments(deps),
    watchDocument: watchDocument(deps),
    deleteDocument: deleteDocument(deps),
    downloadDocument: downloadDocument(deps),
    reportProgress: reportProgress(deps),
  };
  return (router) => router.service(IngestionService, handlers, uncompressed);
}
