/** What retrieval does when a tenant's keys are rotated and when a tenant leaves, a bounded step at a time. */
import type { Resealing, TenantWorkHandlers, WorkStep } from '@wardstone/tenancy';
import { AppError } from '@wardstone/rpc';
import { currentVersion } from '../adapters/current-version.ts';
import type { Deps } from '../ports.ts';
import { purgeTenant } from './purge-tenant.ts';
import { lostDocuments, olderDocuments, olderRows, resealDocument } from './reseal-document.ts';

type WorkDeps = Pick<Deps, 'database' | 'keys' | 'metrics' | 'log'>;

/** Documents that one step seals again. */
const documentsPerStep = 20;
/** How long one step removes rows before it reports. */
const purgeStepMs = 10_000;

export function tenantWorkHandlers(deps: WorkDeps): TenantWorkHandlers {
  return {
    reseal: (work, signal) => reseal(deps, work, signal),
    purge: async ({ tenantId }, signal) => {
      const { rows, isEmpty } = await purgeTenant(deps, { tenantId, signal, maxMs: purgeStepMs });
      const { indexed_document: documents, chunk: chunks, ...others } = rows;
      const otherRows = Object.values(others).reduce((sum, count) => sum + count, 0);
      return {
        documentsDone: documents,
        documentsLeft: isEmpty ? 0 : 1,
        removed: { documents, chunks, other_rows: otherRows },
      };
    },
  };
}

/**
 * Seals some documents again, and counts what is left. Dead keyword rows go by themselves, with the next merge: while there are any,
 * something is left. Vectors that are lost are not: a rotation that waited for them would never end, and keep every older key.
 */
async function reseal(deps: WorkDeps, { tenantId, keyVersion }: Resealing, signal: AbortSignal): Promise<WorkStep> {
  await requireVersion(deps, tenantId, keyVersion);
  // Asked for once: finding them reads everything that is left.
  const documentIds = await olderDocuments(deps, tenantId, documentsPerStep);
  for (const documentId of documentIds) {
    signal.throwIfAborted();
    await resealDocument(deps, { tenantId, documentId });
  }
  const { documents, deadParts, lostVectors } = await olderRows(deps, tenantId);
  const left = documents + Math.min(deadParts, 1);
  if (left === 0 && lostVectors > 0) await tellOfLost(deps, tenantId, lostVectors);
  return { documentsDone: documentIds.length, documentsLeft: left };
}

/** Once in a rotation, with its last step. */
async function tellOfLost(deps: WorkDeps, tenantId: string, lostVectors: number): Promise<void> {
  deps.metrics.lostVectors(lostVectors);
  const lost = await lostDocuments(deps, tenantId);
  deps.log.error(
    { tenantId, lostVectors, ...lost },
    'vectors are under key versions that there is no key of, and were left behind: their documents have to be uploaded again',
  );
}

/** "Nothing is older" has to be said of the version that is asked for, not of one that this process has not yet heard to be over. */
async function requireVersion({ keys }: WorkDeps, tenantId: string, keyVersion: number): Promise<void> {
  keys.refresh(tenantId);
  const version = await currentVersion(keys, tenantId, 'content');
  if (version < keyVersion) throw new AppError('KEY_UNAVAILABLE', { cause: new Error('the new version is not there') });
}
