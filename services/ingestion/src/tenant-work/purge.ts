/** Removing everything of a tenant that is gone: one bounded step. Needs no key. */
import { AppError } from '@wardstone/rpc';
import type { WorkStep } from '@wardstone/tenancy';
import { markChecked } from '../db/documents.ts';
import { countRows, markPurging, removeKeys } from '../db/purging.ts';
import type { Deps } from '../ports.ts';
import { removeTraces } from '../remove-document.ts';

const maxDocumentsPerStep = 50;
const maxKeysPerStep = 1_000;

/**
 * Removes idempotency keys, then documents with their jobs and objects, then, when no row is left, whatever else lies under
 * the tenant's prefix in the store. The index is retrieval's own work. A document that a stage still works on stays for a
 * later step, at the end of the line. A kill loses the counts of its step at most.
 * Thrown: what the queue, the store or the database throw.
 */
export function purgeStep(deps: Pick<Deps, 'database' | 'objects' | 'queue'>) {
  return async ({ tenantId }: { readonly tenantId: string }, signal: AbortSignal): Promise<WorkStep> => {
    const { inTenant } = deps.database;
    const keys = await inTenant(tenantId, (tx) => removeKeys(tx, maxKeysPerStep));
    let [documents, objects, jobs] = [0, 0, 0];
    for (const documentId of await inTenant(tenantId, (tx) => markPurging(tx, maxDocumentsPerStep))) {
      if (signal.aborted) throw new AppError('CANCELLED');
      const removed = await removeTraces(deps, { tenantId, documentId });
      objects += removed.objects;
      jobs += removed.jobs;
      if (removed.gone) documents += 1;
      else await inTenant(tenantId, (tx) => markChecked(tx, documentId));
    }
    const documentsLeft = await inTenant(tenantId, countRows);
    // What no row accounts for: nothing should be there, and nothing may stay.
    if (documentsLeft === 0) objects += await deps.objects.removeTenant(tenantId);
    return { documentsDone: documents, documentsLeft, removed: { documents, objects, jobs, idempotency_keys: keys } };
  };
}
