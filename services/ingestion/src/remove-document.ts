/** The end of a document: the same steps for a delete, for an upload that was given up, and for what a crash left. */
import { Code } from '@connectrpc/connect';
import { AppError, isTransient } from '@wardstone/rpc';
import { find, removeRow } from './db/documents.ts';
import type { SealedDocument } from './domain/document.ts';
import type { Deps } from './ports.ts';
import { isTenantClosed } from './tenant-closed.ts';

export type RemovalDeps = Pick<Deps, 'database' | 'objects' | 'queue' | 'index'>;

interface Key {
  readonly tenantId: string;
  readonly documentId: string;
}

/**
 * Removes what is left of a document that is DELETING: its index rows, its jobs, its objects, its row, in this order. The
 * index comes first and needs nothing of the others, so that no outage of theirs keeps the text in searches; the index
 * refuses what a job that still runs writes later. Every step may be repeated. False: the reconciler has to come again.
 * Thrown: what `removeFromIndex` and `removeTraces` throw.
 */
export async function removeDocument(deps: RemovalDeps, key: Key, requestId: string): Promise<boolean> {
  if ((await findDeleting(deps, key)) === undefined) return true;
  await removeFromIndex(deps, key, requestId);
  return (await removeTraces(deps, key)).gone;
}

/**
 * Takes a document out of searches and answers, for good.
 * Thrown: a reason with status 503 when waiting may help; TENANT_SUSPENDED, TENANT_OFFBOARDING when the tenant may not be
 * used, and the document waits for the tenant; INTERNAL when the index refuses.
 */
export async function removeFromIndex(deps: Pick<Deps, 'index'>, key: Key, requestId: string): Promise<void> {
  try {
    await deps.index.removeDocument(key.tenantId, key.documentId, requestId);
  } catch (cause) {
    const failure = AppError.from(cause);
    if (failure.code === Code.Unavailable || isTenantClosed(failure)) throw failure;
    // A time that ran out between the services, or a service that is busy, is not the caller's doing.
    throw new AppError(isTransient(failure.reason) ? 'SERVICE_UNAVAILABLE' : 'INTERNAL', { cause });
  }
}

/** What was removed of a document. */
export interface Traces {
  /** Nothing is left. False: it has to be tried again. */
  readonly gone: boolean;
  readonly objects: number;
  readonly jobs: number;
}

/**
 * Removes the jobs, the objects and the row of a document that is out of the index. A stage that still runs could write an
 * artefact after the objects are gone, so the row stays until no job of the document is active; until then it is not gone.
 * Thrown: what the queue, the store or the database threw.
 */
export async function removeTraces(deps: Omit<RemovalDeps, 'index'>, key: Key): Promise<Traces> {
  const { tenantId, documentId } = key;
  const document = await findDeleting(deps, key);
  if (document === undefined) return { gone: true, objects: 0, jobs: 0 };
  const flow = { documentId, version: document.version };
  const jobs = await deps.queue.removeFlow(flow);
  const objects = await deps.objects.removeDocument(tenantId, documentId);
  if ((await deps.queue.flowState(flow)) === 'active') return { gone: false, objects, jobs };
  // Once more: a stage that ended between the two steps may have written.
  const late = await deps.objects.removeDocument(tenantId, documentId);
  const gone = await deps.database.inTenant(tenantId, (tx) => removeRow(tx, documentId));
  return { gone, objects: objects + late, jobs };
}

async function findDeleting(
  deps: Pick<Deps, 'database'>,
  { tenantId, documentId }: Key,
): Promise<SealedDocument | undefined> {
  return deps.database.inTenant(tenantId, (tx) => find(tx, documentId, ['DELETING']));
}
