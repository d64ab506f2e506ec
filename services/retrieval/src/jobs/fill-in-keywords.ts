/** Brings documents into the keyword index that were indexed before there was one, or whose keyword rows were damaged. */
import { systemPrincipal } from '@wardstone/access';
import { nilUuid } from '@wardstone/db';
import { v7 as uuidv7 } from 'uuid';
import { documentsWithoutKeywords } from '../db/keyword-fill-in.ts';
import type { DocumentKey } from '../domain/chunk.ts';
import type { Deps } from '../ports.ts';
import { resealDocument } from '../tenant-work/reseal-document.ts';

type FillInDeps = Pick<Deps, 'database' | 'keys' | 'auditor' | 'metrics' | 'log'>;

/** Work of one pass at most. */
const maxDocumentsPerPass = 50;
const maxPassMs = 20_000;

/** Passes, each of which goes on where the last one stopped: a document that cannot be helped now does not keep the others. */
export interface FillIn {
  /** Gives the number of documents that were brought in. Thrown: DATABASE_UNAVAILABLE. */
  pass(signal: AbortSignal): Promise<number>;
}

export function createFillIn(deps: FillInDeps): FillIn {
  let after: DocumentKey = { tenantId: nilUuid, documentId: nilUuid };
  return {
    async pass(signal) {
      const until = performance.now() + maxPassMs;
      const found = await deps.database.inPlatform((tx) => documentsWithoutKeywords(tx, after, maxDocumentsPerPass));
      let done = 0;
      for (const key of found) {
        if (signal.aborted || performance.now() > until) return done;
        after = key;
        if (await fillIn(deps, key, signal)) done += 1;
      }
      if (found.length < maxDocumentsPerPass) after = { tenantId: nilUuid, documentId: nilUuid };
      return done;
    },
  };
}

async function fillIn(deps: FillInDeps, key: DocumentKey, signal: AbortSignal): Promise<boolean> {
  const { tenantId, documentId } = key;
  try {
    const { unreadable } = await resealDocument(deps, key);
    await deps.auditor.record(
      { principal: systemPrincipal('retrieval', tenantId), requestId: uuidv7(), signal },
      {
        action: 'document.process',
        resourceType: 'document',
        resourceIds: [documentId],
        outcome: 'success',
        attributes: { stage: 'keywords', unreadable: String(unreadable) },
      },
    );
    deps.metrics.filledIn();
    return true;
  } catch (error) {
    // A key that cannot be had is one tenant's matter; a database that is away ends the pass at its next statement.
    deps.log.warn({ err: error, documentId }, 'a document could not be brought into the keyword index');
    return false;
  }
}
