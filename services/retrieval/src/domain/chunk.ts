import { v5 as uuidv5 } from 'uuid';

/** Start of a page within a chunk. */
export interface PageBreak {
  readonly page: number;
  readonly chunkOffset: number;
}

/** What is sealed of a chunk: its text and where it stands, so that a citation's place is as trustworthy as its words. */
export interface Passage {
  readonly text: string;
  /** Pages, from 1. */
  readonly pageStart: number;
  readonly pageEnd: number;
  /** UTF-16 code units of the document's text; the end is exclusive. */
  readonly charStart: number;
  readonly charEnd: number;
  readonly pageBreaks: readonly PageBreak[];
}

/** Names a document of a tenant. */
export interface DocumentKey {
  readonly tenantId: string;
  readonly documentId: string;
}

/** Which chunk: stable for the same document, version and position. */
export interface ChunkKey {
  readonly documentId: string;
  readonly version: number;
  readonly ordinal: number;
}

/** Components of every vector that is indexed. */
export const embeddingDimensions = 1024;

/** Whether a vector has length 1. The cosine of one that is zero or not finite is no number, and would upset the order of a whole search. */
export function isUnit(vector: Float32Array): boolean {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.abs(squares - 1) < 0.01;
}

const namespace = '6f0f1f7a-6f0a-5d39-9c8e-2f4f6a0a7b51';

/** UUIDv5 of a chunk. It follows from the row's key, so that a row under another key does not open. */
export function chunkIdOf({ documentId, version, ordinal }: ChunkKey): string {
  return uuidv5(`${documentId}/${String(version)}/${String(ordinal)}`, namespace);
}

/** Before every chunk there is. */
export const beforeAllChunks: ChunkKey = {
  documentId: '00000000-0000-0000-0000-000000000000',
  version: 0,
  ordinal: -1,
};

/** By document, version and position. */
export function compareChunks(a: ChunkKey, b: ChunkKey): number {
  const byDocument = a.documentId < b.documentId ? -1 : a.documentId > b.documentId ? 1 : 0;
  return byDocument || a.version - b.version || a.ordinal - b.ordinal;
}
