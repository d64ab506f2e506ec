import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, needs, tenantOf } from '@wardstone/rpc';
import type { DeleteDocumentRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { find, markDeleting } from '../db/documents.ts';
import { etagOf, visibleStates } from '../domain/document.ts';
import type { SealedDocument } from '../domain/document.ts';
import type { Deps } from '../ports.ts';
import { removeFromIndex, removeTraces, type RemovalDeps } from '../remove-document.ts';

/**
 * Hides the document from every reader in one transaction, then takes it out of the index, then removes what is left. Only
 * when searches cannot find it any more is the caller told that it is gone; until then a repetition tries again, and so does
 * the reconciler. What is left after that has no reader: the reconciler removes what cannot be removed now, unwaited for.
 * Thrown: DOCUMENT_NOT_FOUND, DOCUMENT_CHANGED, AUDIT_UNAVAILABLE, DATABASE_UNAVAILABLE; and what `removeFromIndex` throws,
 * with the document hidden here already.
 */
export function deleteDocument(deps: RemovalDeps & Pick<Deps, 'auditor'>) {
  return async (request: DeleteDocumentRequest, context: HandlerContext) => {
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const { documentId } = request;

    const document = await deps.database.inTenant(tenantId, (tx) =>
      find(tx, documentId, [...visibleStates, 'DELETING']),
    );
    const refusal = refusalOf(document, request.etag);
    await deps.auditor.record(call, {
      action: 'document.delete',
      resourceType: 'document',
      resourceIds: [documentId],
      ...(refusal === undefined ? { outcome: 'success' } : { outcome: 'failure', reason: refusal }),
    });
    if (refusal !== undefined) throw new AppError(refusal);

    if (document !== undefined && document.state !== 'DELETING') {
      const revision = request.etag === '' ? undefined : document.revision;
      const hidden = await deps.database.inTenant(tenantId, (tx) => markDeleting(tx, documentId, revision));
      // Without an etag only another delete can have come first, and it wanted the same.
      needs(hidden || request.etag === '', 'DOCUMENT_CHANGED');
    }
    const key = { tenantId, documentId };
    await removeFromIndex(deps, key, call.requestId);
    try {
      await removeTraces(deps, key);
    } catch (error) {
      call.log.warn({ err: error, documentId }, 'removal left to the reconciler');
    }
    return {};
  };
}

function refusalOf(document: SealedDocument | undefined, etag: string) {
  if (document === undefined) return 'DOCUMENT_NOT_FOUND' as const;
  const changed = etag !== '' && document.state !== 'DELETING' && etag !== etagOf(document);
  return changed ? ('DOCUMENT_CHANGED' as const) : undefined;
}
