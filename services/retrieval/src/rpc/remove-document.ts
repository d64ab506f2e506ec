import type { HandlerContext } from '@connectrpc/connect';
import { callContext, tenantOf } from '@wardstone/rpc';
import type { RemoveDocumentRequest } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { removeDocumentRows } from '../db/documents.ts';
import type { Deps } from '../ports.ts';

/**
 * Removes a document's rows and keeps it out. The removal comes first: it protects people, and must not wait for the audit
 * log. A caller who is told AUDIT_UNAVAILABLE calls again, and the event is written then.
 */
export function removeDocument(deps: Pick<Deps, 'database' | 'auditor'>) {
  return async (request: RemoveDocumentRequest, context: HandlerContext) => {
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const documentId = request.documentId.toLowerCase();
    const removedChunks = await deps.database.inTenant(tenantId, (tx) =>
      removeDocumentRows(tx, { tenantId, documentId }),
    );
    await deps.auditor.record(call, {
      action: 'index.delete',
      resourceType: 'document',
      resourceIds: [documentId],
      outcome: 'success',
      attributes: { chunks: String(removedChunks) },
    });
    return { removedChunks };
  };
}
