/** Counters of this service. Labels are words of fixed lists: never an id, never content. */
import type { SealedField } from './adapters/document-seals.ts';
import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';

export interface IngestionMetrics {
  uploaded(outcome: string, bytes: number): void;
  /** A document's pipeline ended; the reason is empty for READY. */
  settled(state: 'READY' | 'FAILED', reason: string): void;
  extracted(mediaType: string, pages: number, seconds: number): void;
  reconciled(action: ReconcilerAction): void;
  /** A sealed value that opens under no key was met by a rotation. */
  unreadable(field: Unreadable): void;
  watching(change: 1 | -1): void;
  /** Shows the extraction processes, and the documents that wait for one, at each scrape. */
  observePool(pool: { size(): number; waiting(): number }): void;
}

export type ReconcilerAction =
  'flow-added' | 'upload-abandoned' | 'deletion-finished' | 'keys-expired' | 'tenant-closed' | 'failed';

/** What may turn out to open under no key. */
export type Unreadable = SealedField | 'original' | 'fingerprint';

export function createMetrics(registry: Registry): IngestionMetrics {
  const registers = [registry];
  const uploads = new Counter({
    name: 'wardstone_ingestion_uploads_total',
    help: 'Uploads by outcome: accepted, repeated, or a reason of the catalogue',
    labelNames: ['outcome'],
    registers,
  });
  const uploadBytes = new Counter({
    name: 'wardstone_ingestion_upload_bytes_total',
    help: 'Bytes of accepted originals',
    registers,
  });
  const documents = new Counter({
    name: 'wardstone_ingestion_documents_total',
    help: 'Documents whose pipeline ended, by state and reason',
    labelNames: ['state', 'reason'],
    registers,
  });
  const pages = new Counter({
    name: 'wardstone_ingestion_extracted_pages_total',
    help: 'Pages whose text was extracted',
    labelNames: ['media_type'],
    registers,
  });
  const seconds = new Histogram({
    name: 'wardstone_ingestion_extraction_seconds',
    help: 'Time from original to chunks',
    labelNames: ['media_type'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  const reconciler = new Counter({
    name: 'wardstone_ingestion_reconciler_actions_total',
    help: 'What the reconciler did',
    labelNames: ['action'],
    registers,
  });
  const unreadable = new Counter({
    name: 'wardstone_ingestion_unreadable_values_total',
    help: 'Sealed values that a rotation of keys could open under no key',
    labelNames: ['field'],
    registers,
  });
  const watchers = new Gauge({
    name: 'wardstone_ingestion_watchers',
    help: 'Open WatchDocument streams',
    registers,
  });
  return {
    uploaded(outcome, bytes) {
      uploads.inc({ outcome });
      if (outcome === 'accepted') uploadBytes.inc(bytes);
    },
    settled: (state, reason) => {
      documents.inc({ state, reason });
    },
    extracted(mediaType, count, duration) {
      pages.inc({ media_type: mediaType }, count);
      seconds.observe({ media_type: mediaType }, duration);
    },
    reconciled: (action) => {
      reconciler.inc({ action });
    },
    unreadable: (field) => {
      unreadable.inc({ field });
    },
    watching: (change) => {
      watchers.inc(change);
    },
    observePool(pool) {
      const gauge = (name: string, help: string, value: () => number): void => {
        new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(value());
          },
        });
      };
      gauge('wardstone_ingestion_extraction_processes', 'Extraction processes that run or wait', () => pool.size());
      gauge('wardstone_ingestion_extraction_waiting', 'Documents that wait for a process', () => pool.waiting());
    },
  };
}
