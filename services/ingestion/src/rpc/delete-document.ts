import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, tenantOf, type CallContext } from '@wardstone/rpc';
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
    const documentId = request.documentId.toLowerCase();

    const document = await deps.database.inTenant(tenantId, (tx) =>
      find(tx, documentId, [...visibleStates, 'DELETING']),
    );
    const refusal = refusalOf(document, request.etag) ?? (await hide(deps, call, document, request.etag));
    if (refusal !== undefined) {
      await deps.auditor.record(call, { ...eventOf(documentId), outcome: 'failure', reason: refusal });
      throw new AppError(refusal);
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

/**
 * Hides the document, and records that it was deleted when nothing but the commit is left, so that the log tells of no
 * deletion that did not happen. A document that is hidden already is deleted once more. Answers why it could not be.
 */
async function hide(
  { database, auditor }: Pick<Deps, 'database' | 'auditor'>,
  call: CallContext,
  document: SealedDocument | undefined,
  etag: string,
): Promise<'DOCUMENT_CHANGED' | undefined> {
  if (document === undefined) return undefined;
  const { documentId, revision } = document;
  return database.inTenant(tenantOf(call), async (tx) => {
    if (document.state !== 'DELETING') {
      const hidden = await markDeleting(tx, documentId, etag === '' ? undefined : revision);
      // Without an etag only another delete can have come first, and it wanted the same.
      if (!hidden && etag !== '') return 'DOCUMENT_CHANGED';
    }
    await auditor.record(call, { ...eventOf(documentId), outcome: 'success' });
    return undefined;
  });
}

function eventOf(documentId: string) {
  return { action: 'document.delete', resourceType: 'document', resourceIds: [documentId] } as const;
}

function refusalOf(document: SealedDocument | undefined, etag: string) {
  if (document === undefined) return 'DOCUMENT_NOT_FOUND' as const;
  const changed = etag !== '' && document.state !== 'DELETING' && etag !== etagOf(document);
  return changed ? ('DOCUMENT_CHANGED' as const) : undefined;
}
