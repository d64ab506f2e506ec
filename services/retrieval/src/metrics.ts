/** Counters of this service. Labels are words of fixed lists: never an id, never content. */
import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';

/** What searches count. */
export interface SearchMetrics {
  /** Searches in flight changed by this much. */
  searching(change: 1 | -1): void;
  /** One part of a search. */
  searched(step: 'embed' | 'scan' | 'open', seconds: number): void;
  /** Chunks that were found but did not open. */
  unreadable(chunks: number): void;
  /** Words of a question whose postings were not read, because all would have cost too much. */
  leftOutWords(count: number): void;
  /** Segments or documents' postings that a search could not read. */
  damagedPostings(count: number): void;
  /** A search compared no vectors, because embedding does not serve their model. */
  wordsOnly(): void;
}

/** What a change of the embedding model counts. */
export interface ModelMetrics {
  /** So many tenants have vectors to be made or to be removed. */
  unsettledTenants(count: number): void;
  /** Chunks got a vector of the model, or none because nothing can be made of them. */
  reembedded(outcome: 'embedded' | 'unreadable', chunks: number): void;
  /** A tenant's vectors could not be worked on in this pass. */
  reembedFailed(): void;
  /** A tenant's searches use another model from now on. */
  modelSwitched(): void;
  /** Searches did not go over to a model that makes nothing of too many passages. */
  switchRefused(): void;
  /** Vectors of a model that is not used any more were removed. */
  oldVectorsRemoved(count: number): void;
  /** A document was indexed without vectors of a model that searches use, because embedding does not serve it. */
  indexedWithoutModel(): void;
}

/** What the work on the index counts. */
export interface IndexMetrics {
  /** Parts of documents went into segments, or out of them. */
  merged(merged: number, dropped: number): void;
  /** A tenant's keyword rows could not be merged in this pass. */
  mergeFailed(): void;
  /** Vectors that a rotation left behind, because there is no key of their version. */
  lostVectors(count: number): void;
  /** A document without keyword rows got them. */
  filledIn(): void;
  /** A training ended: the tenant got an index of vectors, or reading by it would not have been worth it. */
  vectorIndex(outcome: 'used' | 'useless'): void;
  /** A tenant's index of vectors could not be worked on in this pass. */
  vectorIndexFailed(): void;
  /** Vectors were put into lists. */
  listed(vectors: number): void;
  /** A document's rows were replaced. */
  indexed(chunks: number, seconds: number): void;
}

export type RetrievalMetrics = SearchMetrics & IndexMetrics & ModelMetrics;

export function createMetrics(registry: Registry): RetrievalMetrics {
  return { ...searchMetrics([registry]), ...indexMetrics([registry]), ...modelMetrics([registry]) };
}

function searchMetrics(registers: Registry[]): SearchMetrics {
  const inFlight = new Gauge({
    name: 'wardstone_retrieval_searches_in_flight',
    help: 'Searches in flight',
    registers,
  });
  const searchSeconds = new Histogram({
    name: 'wardstone_retrieval_search_seconds',
    help: 'Time of the parts of a search',
    labelNames: ['step'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const unreadable = new Counter({
    name: 'wardstone_retrieval_unreadable_chunks_total',
    help: 'Chunks that were found but could not be opened',
    registers,
  });
  const damaged = new Counter({
    name: 'wardstone_retrieval_damaged_postings_total',
    help: 'Segments and parts of postings that a search could not read',
    registers,
  });
  const leftOut = new Counter({
    name: 'wardstone_retrieval_left_out_words_total',
    help: 'Words of questions that were not looked up, because their postings were more than one search may read',
    registers,
  });
  const wordsOnly = new Counter({
    name: 'wardstone_retrieval_words_only_searches_total',
    help: 'Searches that went by words alone, because the model of the vectors is not served',
    registers,
  });
  return {
    searching: (change) => {
      inFlight.inc(change);
    },
    searched: (step, seconds) => {
      searchSeconds.observe({ step }, seconds);
    },
    unreadable: (count) => {
      unreadable.inc(count);
    },
    damagedPostings: (count) => {
      damaged.inc(count);
    },
    leftOutWords: (count) => {
      leftOut.inc(count);
    },
    wordsOnly: () => {
      wordsOnly.inc();
    },
  };
}

function indexMetrics(registers: Registry[]): IndexMetrics {
  const merges = new Counter({
    name: 'wardstone_retrieval_merged_parts_total',
    help: 'Parts of documents whose postings were merged into segments or dropped from them',
    labelNames: ['kind'],
    registers,
  });
  const mergeFailures = new Counter({
    name: 'wardstone_retrieval_merge_failures_total',
    help: 'Tenants whose postings could not be merged in a pass',
    registers,
  });
  const lost = new Counter({
    name: 'wardstone_retrieval_lost_vectors_total',
    help: 'Vectors under key versions that there is no key of, counted at the end of each rotation that left them behind',
    registers,
  });
  const filled = new Counter({
    name: 'wardstone_retrieval_filled_in_documents_total',
    help: 'Documents that were brought into the keyword index after they were indexed',
    registers,
  });
  const vectorIndexes = new Counter({
    name: 'wardstone_retrieval_vector_indexes_total',
    help: 'Trainings of an index of vectors of a large tenant, by whether it is used',
    labelNames: ['outcome'],
    registers,
  });
  const vectorIndexFailures = new Counter({
    name: 'wardstone_retrieval_vector_index_failures_total',
    help: 'Tenants whose index of vectors could not be worked on in a pass',
    registers,
  });
  const listed = new Counter({
    name: 'wardstone_retrieval_listed_vectors_total',
    help: 'Vectors that were put into the lists of an index',
    registers,
  });
  const chunks = new Counter({
    name: 'wardstone_retrieval_indexed_chunks_total',
    help: 'Chunks that were written to the index',
    registers,
  });
  const indexSeconds = new Histogram({
    name: 'wardstone_retrieval_index_seconds',
    help: 'Time to replace the rows of one document',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  return {
    merged(merged, dropped) {
      merges.inc({ kind: 'merged' }, merged);
      merges.inc({ kind: 'dropped' }, dropped);
    },
    mergeFailed: () => {
      mergeFailures.inc();
    },
    lostVectors: (count) => {
      lost.inc(count);
    },
    filledIn: () => {
      filled.inc();
    },
    vectorIndex: (outcome) => {
      vectorIndexes.inc({ outcome });
    },
    vectorIndexFailed: () => {
      vectorIndexFailures.inc();
    },
    listed: (vectors) => {
      listed.inc(vectors);
    },
    indexed(count, seconds) {
      chunks.inc(count);
      indexSeconds.observe(seconds);
    },
  };
}

function modelMetrics(registers: Registry[]): ModelMetrics {
  const unsettled = new Gauge({
    name: 'wardstone_retrieval_unsettled_tenants',
    help: 'Tenants with vectors to be made of the current model, or to be removed of another one',
    registers,
  });
  const reembedded = new Counter({
    name: 'wardstone_retrieval_reembedded_chunks_total',
    help: 'Chunks that were embedded after they were indexed, by whether the model could make anything of them',
    labelNames: ['outcome'],
    registers,
  });
  const failures = new Counter({
    name: 'wardstone_retrieval_reembed_failures_total',
    help: 'Tenants whose vectors could not be worked on in a pass',
    registers,
  });
  const switches = new Counter({
    name: 'wardstone_retrieval_model_switches_total',
    help: 'Tenants whose searches went over to another embedding model',
    registers,
  });
  const removed = new Counter({
    name: 'wardstone_retrieval_removed_old_vectors_total',
    help: 'Vectors that were removed because their model is not used any more',
    registers,
  });
  const without = new Counter({
    name: 'wardstone_retrieval_indexed_without_model_total',
    help: 'Documents that were indexed without vectors of a model that searches use, because it is not served',
    registers,
  });
  const refused = new Counter({
    name: 'wardstone_retrieval_model_switches_refused_total',
    help: 'Looks at tenants whose searches do not go over to a model because it makes nothing of too many passages',
    registers,
  });
  return {
    unsettledTenants: (count) => {
      unsettled.set(count);
    },
    reembedded: (outcome, count) => {
      reembedded.inc({ outcome }, count);
    },
    reembedFailed: () => {
      failures.inc();
    },
    modelSwitched: () => {
      switches.inc();
    },
    switchRefused: () => {
      refused.inc();
    },
    oldVectorsRemoved: (count) => {
      removed.inc(count);
    },
    indexedWithoutModel: () => {
      without.inc();
    },
  };
}
