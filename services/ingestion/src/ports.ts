/** What handlers and jobs need, as narrow as they need it. main.ts fills it in; tests fill in real or failing parts. */
import type { Auditor, TenantCheck } from '@wardstone/access';
import type { KeyRing } from '@wardstone/crypto';
import type { Database } from '@wardstone/db';
import type { Queue } from '@wardstone/queue';
import type { StreamMemory } from '@wardstone/rpc';
import type { SealedObjects } from '@wardstone/storage';
import type { Logger } from '@wardstone/telemetry';
import type { ChunkSizes } from './domain/chunking.ts';
import type { DocumentChanges } from './adapters/document-changes.ts';
import type { ExtractionPool } from './extraction/pool.ts';
import type { IngestionMetrics } from './metrics.ts';

/** How a tenant wants its documents treated. Thrown: SERVICE_UNAVAILABLE and what else tenant-key answers. */
export interface TenantSettings {
  chunkSizes(tenantId: string, signal: AbortSignal): Promise<ChunkSizes>;
}

/** The index, from the side that removes, for good: what is written of the document later is refused. Thrown: what retrieval answers. */
export interface DocumentIndex {
  removeDocument(tenantId: string, documentId: string, requestId: string): Promise<void>;
}

export interface Limits {
  /** Largest original. */
  readonly maxUploadBytes: number;
  /** Largest original that is read; a larger one is FAILED. */
  readonly maxExtractBytes: number;
  /** Watchers that one process serves at the same time. */
  readonly maxWatchers: number;
  /** How often a watcher looks again although nothing was announced. */
  readonly watchIntervalMs: number;
  /** Uploads that one process takes at the same time. */
  readonly maxUploads: number;
  /** Downloads that one process serves at the same time. */
  readonly maxDownloads: number;
  /** How many percent of the watchers, of the uploads, and of the downloads, may be one tenant's. */
  readonly tenantSlotPercent: number;
}

export interface Deps {
  readonly database: Pick<Database, 'inTenant' | 'inPlatform'>;
  readonly keys: KeyRing;
  /** Which tenants may be used. Every RPC has asked it; what goes on by itself asks it too. */
  readonly gate: TenantCheck;
  readonly objects: SealedObjects;
  readonly queue: Pick<Queue, 'addDocumentFlow' | 'flowState' | 'removeFlow'>;
  readonly auditor: Auditor;
  readonly changes: DocumentChanges;
  readonly settings: TenantSettings;
  readonly index: DocumentIndex;
  readonly pool: Pick<ExtractionPool, 'extract'>;
  readonly streamMemory: StreamMemory;
  readonly metrics: IngestionMetrics;
  readonly limits: Limits;
  readonly log: Logger;
}
