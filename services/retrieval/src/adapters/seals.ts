/** Sealing of what the index holds of a document, under the tenant's content key. */
import { open, seal, type KeyRing, type SealedText } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';
import { z } from 'zod';
import type { DocumentLabels } from '../domain/labels.ts';
import { chunkIdOf, type ChunkKey, type Passage } from '../domain/chunk.ts';

const count = z.int().min(0);
const passageSchema = z.strictObject({
  text: z.string(),
  pageStart: count,
  pageEnd: count,
  charStart: count,
  charEnd: count,
  pageBreaks: z.array(z.strictObject({ page: count, chunkOffset: count })),
});

const labelsSchema = z.strictObject({ labels: z.array(z.string()), metadata: z.record(z.string(), z.string()) });

/** Seals a chunk's text and place; it opens only as this chunk of this document, version and tenant. */
export async function sealPassage(
  keys: KeyRing,
  tenantId: string,
  chunk: ChunkKey,
  passage: Passage,
): Promise<SealedText> {
  return seal(keys, 'content', passageContext(tenantId, chunk), JSON.stringify(passage));
}

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export async function openPassage(keys: KeyRing, tenantId: string, chunk: ChunkKey, sealed: string): Promise<Passage> {
  const json = await open(keys, 'content', passageContext(tenantId, chunk), sealed);
  const passage = passageSchema.safeParse(JSON.parse(json));
  if (!passage.success) throw new AppError('SEALED_VALUE_INVALID');
  return passage.data;
}

/** Seals a document's title. */
export async function sealTitle(
  keys: KeyRing,
  tenantId: string,
  documentId: string,
  title: string,
): Promise<SealedText> {
  return seal(keys, 'content', titleContext(tenantId, documentId), title);
}

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export async function openTitle(keys: KeyRing, tenantId: string, documentId: string, sealed: string): Promise<string> {
  return open(keys, 'content', titleContext(tenantId, documentId), sealed);
}

/** Seals a document's labels and metadata together; undefined when there are none. */
export async function sealLabels(
  keys: KeyRing,
  tenantId: string,
  documentId: string,
  { labels, metadata }: DocumentLabels,
): Promise<SealedText | undefined> {
  if (labels.length === 0 && Object.keys(metadata).length === 0) return undefined;
  return seal(keys, 'content', labelsContext(tenantId, documentId), JSON.stringify({ labels, metadata }));
}

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export async function openLabels(
  keys: KeyRing,
  tenantId: string,
  documentId: string,
  sealed: string | undefined,
): Promise<DocumentLabels> {
  if (sealed === undefined) return { labels: [], metadata: {} };
  const json = await open(keys, 'content', labelsContext(tenantId, documentId), sealed);
  const opened = labelsSchema.safeParse(JSON.parse(json));
  if (!opened.success) throw new AppError('SEALED_VALUE_INVALID');
  return opened.data;
}

function passageContext(tenantId: string, chunk: ChunkKey) {
  return { tenantId, resource: chunkIdOf(chunk), field: 'passage' };
}

function labelsContext(tenantId: string, documentId: string) {
  return { tenantId, resource: documentId, field: 'index_labels' };
}

function titleContext(tenantId: string, documentId: string) {
  // Not "title": ingestion seals one of that name for the same document, and the two are not to be exchanged.
  return { tenantId, resource: documentId, field: 'index_title' };
}
