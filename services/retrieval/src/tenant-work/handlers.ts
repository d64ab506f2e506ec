/** What retrieval does when a tenant's keys are rotated and when a tenant leaves, a bounded step at a time. */
import { nilUuid } from '@wardstone/db';
import type { Resealing, TenantWorkHandlers, WorkStep } from '@wardstone/tenancy';
import { AppError } from '@wardstone/rpc';
import { currentVersion } from '../adapters/current-version.ts';
import type { Deps } from '../ports.ts';
import { purgeTenant } from './purge-tenant.ts';
import { olderDocuments, olderRows, resealDocument } from './reseal-document.ts';

type WorkDeps = Pick<Deps, 'database' | 'keys' | 'log'>;

/** Documents that one step seals again. */
const documentsPerStep = 20;
/** Documents that one step passes over because they cannot be sealed again: beyond so many, somebody has to look. */
const maxFailuresPerStep = 100;
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
 * something is left.
 */
async function reseal(deps: WorkDeps, { tenantId, keyVersion }: Resealing, signal: AbortSignal): Promise<WorkStep> {
  await requireVersion(deps, tenantId, keyVersion);
  let [done, failed, after] = [0, 0, nilUuid];
  while (done < documentsPerStep && failed < maxFailuresPerStep) {
    signal.throwIfAborted();
    const [documentId] = await olderDocuments(deps, tenantId, { after, limit: 1 });
    if (documentId === undefined) break;
    if (await tryDocument(deps, { tenantId, documentId })) done += 1;
    else failed += 1;
    after = documentId;
  }
  const { documents, deadParts } = await olderRows(deps, tenantId);
  return { documentsDone: done, documentsLeft: documents + Math.min(deadParts, 1) };
}

/** One document that cannot be sealed again, for a vector under a version that there is no key of, must not keep the others back. */
async function tryDocument(deps: WorkDeps, key: { tenantId: string; documentId: string }): Promise<boolean> {
  try {
    await resealDocument(deps, key);
    return true;
  } catch (error) {
    const { reason } = AppError.from(error);
    if (reason !== 'KEY_VERSION_NOT_FOUND' && reason !== 'KEY_VERSION_RETIRED') throw error;
    deps.log.error(
      { err: error, ...key },
      'a document could not be sealed again: it holds the rotation until it is removed',
    );
    return false;
  }
}

/** "Nothing is older" has to be said of the version that is asked for, not of one that this process has not yet heard to be over. */
async function requireVersion({ keys }: WorkDeps, tenantId: string, keyVersion: number): Promise<void> {
  keys.refresh(tenantId);
  const version = await currentVersion(keys, tenantId, 'content');
  if (version < keyVersion) throw new AppError('KEY_UNAVAILABLE', { cause: new Error('the new version is not there') });
}
