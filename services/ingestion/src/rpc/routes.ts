/** Every RPC of the service, one file each. */
import type { ConnectRouter } from '@connectrpc/connect';
import { createSlots, tenantShare, withTenantSlot } from '@wardstone/rpc';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { Deps } from '../ports.ts';
import { deleteDocument } from './delete-document.ts';
import { downloadDocument } from './download-document.ts';
import { getDocument } from './get-document.ts';
import { listDocuments } from './list-documents.ts';
import { reportProgress } from './report-progress.ts';
import { uploadDocument } from './upload-document.ts';
import { watchDocument } from './watch-document.ts';

export function routes(deps: Deps): (router: ConnectRouter) => void {
  const { maxDownloads, tenantSlotPercent } = deps.limits;
  const downloads = createSlots(tenantShare(maxDownloads, tenantSlotPercent));
  return (router) =>
    router.service(IngestionService, {
      uploadDocument: uploadDocument(deps),
      getDocument: getDocument(deps),
      listDocuments: listDocuments(deps),
      watchDocument: watchDocument(deps),
      deleteDocument: deleteDocument(deps),
      downloadDocument: withTenantSlot(downloads, downloadDocument(deps)),
      reportProgress: reportProgress(deps),
    });
}
