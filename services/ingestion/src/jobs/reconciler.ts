/** Finishes what crashes and outages left: at an interval, in one process at a time, a bounded number of documents. */
import { createPassLoop, type PassLoop } from '@wardstone/db';
import { abandonUpload, find, markChecked, postponeCheck } from '../db/documents.ts';
import { removeExpiredKeys } from '../db/idempotency.ts';
import { tenantsWithExpiredKeys, unsettledDocuments } from '../db/reconciliation.ts';
import type { DocumentKey } from '../db/reconciliation.ts';
import type { SealedDocument } from '../domain/document.ts';
import { flowJob } from '../flow-job.ts';
import type { Deps } from '../ports.ts';
import { removeDocument } from '../remove-document.ts';
import { isTenantClosed } from '../tenant-closed.ts';

type ReconcilerDeps = Pick<Deps, 'database' | 'gate' | 'objects' | 'queue' | 'index' | 'metrics' | 'log'>;

export interface ReconcilerOptions {
  /** Pause between two passes, give or take a fifth. */
  readonly intervalMs: number;
  /** A document is looked at again after so long. */
  readonly graceMs: number;
  /** An upload that said nothing for so long has died. */
  readonly uploadIdleMs: number;
}

const maxDocumentsPerPass = 500;
const maxTenantsPerPass = 50;
const maxKeysPerTenant = 1_000;
/** Documents of a tenant that may not be used are looked at so seldom: they must not take the turns of the others. */
const closedTenantPauseMs = 5 * 60_000;

/** A reconciler; a pass gives the number of documents that it looked at. */
export function createReconciler(deps: ReconcilerDeps, options: ReconcilerOptions): PassLoop {
  return createPassLoop({
    database: deps.database,
    lock: 'wardstone-ingestion-reconciler',
    intervalMs: options.intervalMs,
    work: async ({ tx, isOver }) => {
      const before = new Date(Date.now() - options.graceMs);
      const found = await unsettledDocuments(tx, before, maxDocumentsPerPass);
      for (const key of found) {
        if (isOver()) break;
        await reconcileOne(deps, options, key);
      }
      for (const tenantId of await tenantsWithExpiredKeys(tx, maxTenantsPerPass)) {
        await deps.database.inTenant(tenantId, (own) => removeExpiredKeys(own, maxKeysPerTenant));
        deps.metrics.reconciled('keys-expired');
      }
      return found.length;
    },
    onFailure: (error) => {
      deps.log.warn({ err: error }, 'reconciler pass failed');
    },
  });
}

/** One document that cannot be helped now must not keep the pass from the others. */
async function reconcileOne(deps: ReconcilerDeps, options: ReconcilerOptions, key: DocumentKey): Promise<void> {
  const { tenantId, documentId } = key;
  try {
    deps.gate.check(tenantId);
    const document = await deps.database.inTenant(tenantId, (tx) => find(tx, documentId));
    if (document === undefined) return;
    if (document.state === 'UPLOADING') await abandon(deps, options, document);
    else if (document.state === 'DELETING') await finishDeletion(deps, document);
    else if (document.state !== 'READY' && document.state !== 'FAILED') await revive(deps, document);
    await deps.database.inTenant(tenantId, (tx) => markChecked(tx, documentId));
  } catch (error) {
    if (isTenantClosed(error)) {
      deps.metrics.reconciled('tenant-closed');
      await deps.database.inTenant(tenantId, (tx) => postponeCheck(tx, documentId, closedTenantPauseMs));
      return;
    }
    deps.metrics.reconciled('failed');
    deps.log.warn({ err: error, documentId }, 'reconciler could not help a document');
    // Whose database is away the error does not say: a peer has its own. If it is ours this throws, and ends the pass.
    await deps.database.inTenant(tenantId, (tx) => markChecked(tx, documentId));
  }
}

async function abandon(deps: ReconcilerDeps, options: ReconcilerOptions, document: SealedDocument): Promise<void> {
  const { tenantId, documentId } = document;
  const idleSince = new Date(Date.now() - options.uploadIdleMs);
  const given = await deps.database.inTenant(tenantId, (tx) => abandonUpload(tx, documentId, idleSince));
  if (!given) return;
  deps.metrics.reconciled('upload-abandoned');
  await removeDocument(deps, document, document.requestId);
}

async function finishDeletion(deps: ReconcilerDeps, document: SealedDocument): Promise<void> {
  if (await removeDocument(deps, document, document.requestId)) deps.metrics.reconciled('deletion-finished');
}

/**
 * Adds the flow of a document that has none. A flow that ended without settling its document (its publish job was lost) is
 * added again too: stages find what is done, and publish settles once.
 */
async function revive(deps: ReconcilerDeps, document: SealedDocument): Promise<void> {
  if ((await deps.queue.flowState(document)) === 'active') return;
  const { tenantId, documentId } = document;
  const now = await deps.database.inTenant(tenantId, (tx) => find(tx, documentId));
  // It moved while the queue was asked.
  if (now?.revision !== document.revision) return;
  await deps.queue.addDocumentFlow(flowJob(document));
  deps.metrics.reconciled('flow-added');
  deps.log.info({ documentId }, 'flow added again');
}
