/** What every read of one document has in common. */
import type { AuditAction } from '@wardstone/access';
import { AppError, tenantOf, type CallContext } from '@wardstone/rpc';
import { findVisible } from '../db/documents.ts';
import type { SealedDocument } from '../domain/document.ts';
import type { Deps } from '../ports.ts';

/**
 * Loads a document that the caller's tenant can see, and records the access before anything of it is returned. An id of
 * another tenant, one that never was, and one that was deleted take the same path: row-level security finds no row, and
 * the attempt is recorded.
 * Thrown: DOCUMENT_NOT_FOUND, AUDIT_UNAVAILABLE, DATABASE_UNAVAILABLE.
 */
export async function loadAudited(
  deps: Pick<Deps, 'database' | 'auditor'>,
  call: CallContext,
  askedFor: string,
  action: AuditAction,
): Promise<SealedDocument> {
  // One spelling in the audit log, so that a document's events are found by its id.
  const documentId = askedFor.toLowerCase();
  const document = await deps.database.inTenant(tenantOf(call), (tx) => findVisible(tx, documentId));
  await deps.auditor.record(call, {
    action,
    resourceType: 'document',
    resourceIds: [documentId],
    ...(document === undefined
      ? { outcome: 'failure' as const, reason: 'DOCUMENT_NOT_FOUND' }
      : { outcome: 'success' as const }),
  });
  if (document === undefined) throw new AppError('DOCUMENT_NOT_FOUND');
  return document;
}
