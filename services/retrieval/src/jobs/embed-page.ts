/** Passages that have no vector of a model get one: opened, embedded outside any transaction, and written beside those that are there. */
import { systemPrincipal } from '@wardstone/access';
import { ifReadable } from '@wardstone/crypto';
import { AppError, needs } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { currentVersion } from '../adapters/current-version.ts';
import { openPassage, openTitle } from '../adapters/seals.ts';
import { currentSpace } from '../adapters/tenant-space.ts';
import { type DocumentVersion, insertVectors, liveVersion, lockDocument, type NewVector } from '../db/documents.ts';
import type { LackingChunk } from '../db/reembed.ts';
import { lockTenantModel, wantedModels } from '../db/tenant-model.ts';
import { beforeAllChunks, chunkIdOf } from '../domain/chunk.ts';
import type { Deps, PassageCall } from '../ports.ts';

type PageDeps = Pick<Deps, 'database' | 'keys' | 'passages' | 'auditor' | 'metrics' | 'log'>;

/** Documents of a page that are with the model at the same time. */
const maxCalls = 4;
const plainText = 'text';
/** A key that is rotated while vectors are written; the next pass comes again. */
const writeAttempts = 3;

export interface EmbedPage {
  readonly tenantId: string;
  readonly modelId: string;
  /** At most 64, in order. */
  readonly chunks: readonly LackingChunk[];
  readonly signal: AbortSignal;
}

/**
 * What cannot be opened, or what the model can make nothing of, is written as such and asked for no more. What was embedded is
 * written document by document, also when another one of the page failed. Thrown: MODEL_UNAVAILABLE when the
 * model is not served; transient reasons; what says that the tenant is closed.
 */
export async function embedPage(deps: PageDeps, page: EmbedPage): Promise<void> {
  const { tenantId, modelId, chunks, signal } = page;
  // Whoever has no key of the tenant's any more learns it before a passage is opened.
  await currentVersion(deps.keys, tenantId, 'vectors');
  const documents = [...Map.groupBy(chunks, ({ documentId }) => documentId).values()];
  const requestId = uuidv7();
  await deps.auditor.record(
    { principal: systemPrincipal('retrieval', tenantId), requestId, signal },
    {
      action: 'document.process',
      resourceType: 'document',
      resourceIds: documents.flatMap(([first]) => (first === undefined ? [] : [first.documentId])),
      outcome: 'success',
      attributes: { stage: 'reembed', chunks: String(chunks.length), model: modelId },
    },
  );
  const waiting = documents.values();
  const embedded: EmbeddedChunks[] = [];
  const failures: unknown[] = [];
  const embedInTurn = async (): Promise<void> => {
    for (const ofDocument of waiting) {
      // Those that are under way are waited for; nothing is begun any more.
      if (failures.length > 0) return;
      try {
        embedded.push(await embedChunks(deps, { ...page, chunks: ofDocument }, requestId));
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: maxCalls }, embedInTurn));
  // One after the other: searches need the connections.
  for (const ofDocument of embedded) await write(deps, modelId, ofDocument);
  if (failures.length > 0) throw failures[0];
}

/** Whether the model makes a vector of a plain text, so that one it makes none of is to blame itself. */
export async function isModelWell({ passages }: PageDeps, { tenantId, modelId, signal }: EmbedPage): Promise<boolean> {
  const call = { tenantId, requestId: uuidv7(), modelId, title: '', texts: [plainText], signal };
  const [vector] = (await passages.vectorsOf(call)) ?? [];
  return vector !== undefined;
}

/** Says of passages that nothing can be made of them. */
export async function writeNone(deps: PageDeps, { tenantId, modelId, chunks }: EmbedPage): Promise<void> {
  for (const { documentId, version, ordinal } of chunks) {
    const rows = [{ ordinal, vector: undefined }];
    await write(deps, modelId, { document: { tenantId, documentId, version }, rows });
  }
}

/** Vectors of a document's chunks that are paid for. */
interface EmbeddedChunks {
  readonly document: DocumentVersion;
  readonly rows: readonly NewVector[];
}

/** Chunks of one document, which are all of its live version. */
async function embedChunks(
  deps: PageDeps,
  { tenantId, modelId, chunks, signal }: EmbedPage,
  requestId: string,
): Promise<EmbeddedChunks> {
  const { documentId, version } = chunks[0] ?? beforeAllChunks;
  const opened = await openChunks(deps, tenantId, chunks);
  const readable = opened.flatMap(({ ordinal, text }) => (text === undefined ? [] : [{ ordinal, text }]));
  const texts = readable.map(({ text }) => text);
  const call = { tenantId, requestId, modelId, title: opened[0]?.title ?? '', texts, signal };
  const made = texts.length === 0 ? [] : await embed(deps, call);
  const vectors = new Map(readable.map(({ ordinal }, at) => [ordinal, made[at]]));
  const rows = chunks.map(({ ordinal }) => ({ ordinal, vector: vectors.get(ordinal) }));
  return { document: { tenantId, documentId, version }, rows };
}

async function write(deps: PageDeps, modelId: string, { document, rows }: EmbeddedChunks): Promise<void> {
  if (!(await writeVectors(deps, document, modelId, rows))) return;
  const unreadable = rows.filter(({ vector }) => vector === undefined);
  deps.metrics.reembedded('embedded', rows.length - unreadable.length);
  if (unreadable.length === 0) return;
  deps.metrics.reembedded('unreadable', unreadable.length);
  const ordinals = unreadable.map(({ ordinal }) => ordinal);
  deps.log.error({ ...document, ordinals, model: modelId }, 'chunks could not be embedded');
}

interface OpenedChunk {
  readonly ordinal: number;
  readonly title: string | undefined;
  /** Undefined when the passage or the title of its document does not open: then no search shows it either. */
  readonly text: string | undefined;
}

async function openChunks({ keys, log }: PageDeps, tenantId: string, chunks: readonly LackingChunk[]) {
  const [first] = chunks;
  const title = first && (await ifReadable(openTitle(keys, tenantId, first.documentId, first.titleSealed)));
  return Promise.all(
    chunks.map(async (chunk): Promise<OpenedChunk> => {
      const passage = await ifReadable(openPassage(keys, tenantId, chunk, chunk.passageSealed));
      if (passage === undefined || title === undefined) {
        log.error({ documentId: chunk.documentId, chunkId: chunkIdOf(chunk) }, 'a chunk could not be opened');
      }
      const text = title === undefined || passage?.text === '' ? undefined : passage?.text;
      return { ordinal: chunk.ordinal, title, text };
    }),
  );
}

async function embed({ passages }: PageDeps, call: PassageCall): Promise<(Float32Array | undefined)[]> {
  const made = await passages.vectorsOf(call);
  needs(made, 'MODEL_UNAVAILABLE', { message: 'the model that a tenant changes to is not served' });
  return made;
}

/** How an attempt to write vectors ended; nothing is left of one that did not end with `written`. */
type Writing = 'written' | 'unwanted' | 'rotated';

/**
 * False when there is no use for the vectors any more: the document was replaced or removed, or the tenant changes to another model. What was
 * paid for is not given up for a rotation: vectors go into the new space then.
 */
async function writeVectors(
  { database, keys }: PageDeps,
  document: DocumentVersion,
  modelId: string,
  vectors: readonly NewVector[],
): Promise<boolean> {
  const { tenantId } = document;
  for (let attempt = 0; attempt < writeAttempts; attempt += 1) {
    const space = await currentSpace(keys, tenantId);
    const moved = vectors.map(({ ordinal, vector }) => ({ ordinal, vector: vector && space.enter(vector) }));
    const write = async (tx: EntityManager): Promise<Writing> => {
      await lockDocument(tx, document);
      if ((await liveVersion(tx, document)) !== document.version) return 'unwanted';
      await insertVectors(tx, document, { modelId, vectorKeyVersion: space.keyVersion }, moved);
      const state = await lockTenantModel(tx, tenantId);
      if (state === undefined || !wantedModels(state).includes(modelId)) return 'unwanted';
      // As for a document that is indexed: a rotation that has counted what is left must not miss these rows.
      return (await currentVersion(keys, tenantId, 'vectors')) === space.keyVersion ? 'written' : 'rotated';
    };
    const writing = await database.inTenant(tenantId, write, { commitIf: (outcome) => outcome === 'written' });
    if (writing !== 'rotated') return writing === 'written';
  }
  throw new AppError('KEY_UNAVAILABLE', { message: 'the key of vectors was rotated while they were written' });
}
