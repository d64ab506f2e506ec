/** The end of a document: the same steps for a delete, for an upload that was given up, and for what a crash left. */
import { find, removeRow } from './db/documents.ts';
import type { Deps } from './ports.ts';

export type RemovalDeps = Pick<Deps, 'database' | 'objects' | 'queue' | 'index'>;

/**
 * Removes what is left of a document that is DELETING: its jobs, its index rows, its objects, its row, in this order.
 * Every step may be repeated. A stage that still runs could write an artefact after the objects are gone, so the row stays
 * until no job of the document is active; then false is returned, and the reconciler comes again.
 * Thrown: what the queue, the index, the store or the database threw.
 */
export async function removeDocument(
  deps: RemovalDeps,
  key: { readonly tenantId: string; readonly documentId: string },
  requestId: string,
): Promise<boolean> {
  const { tenantId, documentId } = key;
  const document = await deps.database.inTenant(tenantId, (tx) => find(tx, documentId, ['DELETING']));
  if (document === undefined) return true;
  const flow = { documentId, version: document.version };
  await deps.queue.removeFlow(flow);
  await deps.index.removeDocument(tenantId, documentId, requestId);
  await deps.objects.removeDocument(tenantId, documentId);
  if ((await deps.queue.flowState(flow)) === 'active') return false;
  // Once more: a stage that ended between the two steps may have written.
  await deps.objects.removeDocument(tenantId, documentId);
  return deps.database.inTenant(tenantId, (tx) => removeRow(tx, documentId));
}
