import type { HandlerContext } from '@connectrpc/connect';
import {
  AppError,
  callContext,
  createSlots,
  drainingSignal,
  tenantOf,
  tenantShare,
  withTenantSlot,
} from '@wardstone/rpc';
import type { WatchDocumentRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { openDocument } from '../adapters/document-seals.ts';
import type { DocumentChanges } from '../adapters/document-changes.ts';
import { find } from '../db/documents.ts';
import { isFinal } from '../domain/document.ts';
import type { Deps } from '../ports.ts';
import { loadAudited } from './load-document.ts';
import { toWire } from './wire.ts';

type WatchDeps = Pick<Deps, 'database' | 'auditor' | 'gate' | 'keys' | 'changes' | 'metrics' | 'limits'>;

/**
 * The document now and after every change, until it is READY, FAILED or deleted, the caller goes, or the server drains.
 * Announcements may be lost; the row is read again at an interval too. A tenant that is closed meanwhile sees no more of it.
 */
export function watchDocument(deps: WatchDeps) {
  const { maxWatchers, tenantSlotPercent } = deps.limits;
  const slots = createSlots(tenantShare(maxWatchers, tenantSlotPercent));
  return withTenantSlot(slots, async function* (request: WatchDocumentRequest, context: HandlerContext) {
    deps.metrics.watching(1);
    try {
      yield* watch(deps, request.documentId.toLowerCase(), context);
    } finally {
      deps.metrics.watching(-1);
    }
  });
}

async function* watch(deps: WatchDeps, documentId: string, context: HandlerContext) {
  const call = callContext(context);
  const tenantId = tenantOf(call);
  const ended = AbortSignal.any([call.signal, drainingSignal(context)]);
  // Subscribed before the first look: a change between the two is not missed.
  const news = new News(deps.changes, documentId, deps.limits.watchIntervalMs, ended);
  try {
    let shown = await openDocument(deps.keys, await loadAudited(deps, call, documentId, 'document.watch'));
    yield { document: toWire(shown) };
    while (!isFinal(shown.state) && (await news.next())) {
      deps.gate.check(tenantId);
      const found = await deps.database.inTenant(tenantId, (tx) => find(tx, documentId)).catch(tolerate);
      if (found === 'unavailable') continue;
      // A row that is gone was deleted between two looks.
      const now = found ?? { ...shown, state: 'DELETING' as const, revision: shown.revision + 1 };
      if (now.revision === shown.revision) continue;
      const { title, fileName, labels, metadata } = shown;
      shown = { ...now, title, fileName, labels, metadata };
      yield { document: toWire(shown) };
    }
  } finally {
    news.close();
  }
}

/** A watch outlives a database that is away for a while. */
function tolerate(error: unknown): 'unavailable' {
  if (AppError.from(error).reason === 'DATABASE_UNAVAILABLE') return 'unavailable';
  throw error;
}

/** Announcements of one document as something to wait for; several while nobody waits count as one. */
class News {
  readonly #unsubscribe: () => void;
  readonly #intervalMs: number;
  readonly #ended: AbortSignal;
  #arrived = false;
  #wake: (() => void) | undefined;
  readonly #onChange = (): void => {
    this.#arrived = true;
    this.#wake?.();
  };

  constructor(changes: DocumentChanges, documentId: string, intervalMs: number, ended: AbortSignal) {
    this.#intervalMs = intervalMs;
    this.#ended = ended;
    this.#unsubscribe = changes.subscribe(documentId, this.#onChange);
    ended.addEventListener('abort', this.#onChange);
  }

  /** True when it is time to look, false when the watch is over. */
  async next(): Promise<boolean> {
    if (!this.#arrived && !this.#ended.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#intervalMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#arrived = false;
    this.#wake = undefined;
    return !this.#ended.aborted;
  }

  close(): void {
    this.#unsubscribe();
    this.#ended.removeEventListener('abort', this.#onChange);
    this.#wake?.();
  }
}
