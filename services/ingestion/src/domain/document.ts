/** A document and its life. Decisions about states are made here, and nowhere else. */
import type { SealedText } from '@wardstone/crypto';
import type { Reason } from '@wardstone/rpc';
import type { Labels } from './labels.ts';

/**
 * UPLOADING: its bytes are still coming; nobody sees it. RECEIVED: the original is stored. EXTRACTING, EMBEDDING, INDEXING:
 * the pipeline works on it. READY and FAILED are final for a version. DELETING: gone for every reader, being removed.
 */
export const documentStates = [
  'UPLOADING',
  'RECEIVED',
  'EXTRACTING',
  'EMBEDDING',
  'INDEXING',
  'READY',
  'FAILED',
  'DELETING',
] as const;
export type DocumentState = (typeof documentStates)[number];

/** States in which the pipeline owes an end. */
export const pendingStates = [
  'RECEIVED',
  'EXTRACTING',
  'EMBEDDING',
  'INDEXING',
] as const satisfies readonly DocumentState[];

/** States in which nothing works on a document any more. */
export const settledStates = ['READY', 'FAILED'] as const satisfies readonly DocumentState[];

/** States that readers see. */
export const visibleStates = [...pendingStates, ...settledStates] as const satisfies readonly DocumentState[];

/** A document with its sealed fields still sealed. */
export interface SealedDocument {
  readonly tenantId: string;
  readonly documentId: string;
  readonly version: number;
  readonly state: DocumentState;
  readonly percent: number;
  readonly failureReason: Reason | null;
  readonly titleSealed: SealedText;
  readonly fileNameSealed: SealedText;
  /** Labels and metadata; null without any. */
  readonly labelsSealed: SealedText | null;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** SHA-256 of the original, sealed: a bare digest would confirm a guess at the content. */
  readonly digestSealed: SealedText | null;
  /** The lowest key version under which anything of it that opens is sealed: the fields of the row, and the original. */
  readonly keyVersion: number;
  readonly pageCount: number;
  readonly chunkCount: number;
  readonly createdBy: string;
  /** Request that uploaded it. */
  readonly requestId: string;
  readonly revision: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A document as its readers see it. */
export interface Document extends SealedDocument, Labels {
  readonly title: string;
  readonly fileName: string;
}

/** Share of the whole pipeline that lies before a stage, in percent. */
const percentAt = { RECEIVED: 0, EXTRACTING: 1, EMBEDDING: 40, INDEXING: 80, READY: 100 } as const;

/**
 * Percent of the pipeline when a stage has done `stagePercent` of its own work. A stage that is done stays one below the
 * next one's beginning, so that every step forward raises the percent.
 */
export function pipelinePercent(state: 'EXTRACTING' | 'EMBEDDING' | 'INDEXING', stagePercent: number): number {
  const next = { EXTRACTING: percentAt.EMBEDDING, EMBEDDING: percentAt.INDEXING, INDEXING: percentAt.READY }[state];
  const share = Math.min(Math.max(stagePercent, 0), 100) / 100;
  return Math.floor(percentAt[state] + (next - 1 - percentAt[state]) * share);
}

/** The states that may be left for `state` by the pipeline's progress: itself and those before it. */
export function statesUpTo(state: (typeof pendingStates)[number]): readonly DocumentState[] {
  return pendingStates.slice(0, pendingStates.indexOf(state) + 1);
}

/** Changes with every change of a document; opaque to callers. */
export function etagOf(document: Pick<SealedDocument, 'version' | 'revision'>): string {
  return `${String(document.version)}-${String(document.revision)}`;
}

/** Whether a watcher has nothing more to wait for. */
export function isFinal(state: DocumentState): boolean {
  return state === 'READY' || state === 'FAILED' || state === 'DELETING';
}
