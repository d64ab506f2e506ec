/** What handlers and jobs need, as narrow as they need it. main.ts fills it in; tests fill in real or failing parts. */
import type { Auditor } from '@wardstone/access';
import type { KeyRing } from '@wardstone/crypto';
import type { Database } from '@wardstone/db';
import type { ProgressReporter } from '@wardstone/queue';
import type { CallContext } from '@wardstone/rpc';
import type { SealedObjects } from '@wardstone/storage';
import type { Logger } from '@wardstone/telemetry';
import type { VectorSteps } from './domain/vector-steps.ts';
import type { RetrievalMetrics } from './metrics.ts';

/** A question as a model sees it. */
export interface QuestionVector {
  readonly modelId: string;
  readonly vector: Float32Array;
}

/** Turns questions into vectors. */
export interface QuestionVectors {
  /**
   * By the model that is named, or by the current one. Undefined when the model is not served.
   * Thrown: MODEL_UNAVAILABLE, AUDIT_UNAVAILABLE, and what the caller may not do.
   */
  vectorOf(question: string, call: CallContext, modelId?: string): Promise<QuestionVector | undefined>;
}

/** Texts of one call of embedding's. */
export const maxTextsPerCall = 64;

/** Passages of one document, to be embedded for a tenant by the service itself. */
export interface PassageCall {
  readonly tenantId: string;
  readonly requestId: string;
  readonly modelId: string;
  readonly title: string;
  /** At most 64. None of them is empty. */
  readonly texts: readonly string[];
  readonly signal: AbortSignal;
}

/** Turns passages into vectors, as the pipeline does. */
export interface PassageVectors {
  /** The model that documents are embedded with. Thrown: SERVICE_UNAVAILABLE and its kin. */
  currentModel(signal: AbortSignal): Promise<string>;
  /**
   * For each text its vector, or undefined when the model can make nothing of it. Undefined in the place of all when the model
   * is not served. Thrown: transient reasons, and what says that the tenant is closed.
   */
  vectorsOf(call: PassageCall): Promise<(Float32Array | undefined)[] | undefined>;
}

export interface Limits {
  /** Searches that one process answers at the same time. */
  readonly maxSearches: number;
  /** How many percent of them may be one tenant's. */
  readonly tenantSlotPercent: number;
}

export interface Deps {
  readonly database: Pick<Database, 'inTenant' | 'inPlatform'>;
  readonly keys: KeyRing;
  readonly objects: Pick<SealedObjects, 'readJsonLines'>;
  readonly vectors: QuestionVectors;
  readonly passages: PassageVectors;
  readonly vectorSteps: VectorSteps;
  readonly auditor: Auditor;
  readonly progress: ProgressReporter;
  readonly metrics: RetrievalMetrics;
  readonly limits: Limits;
  readonly log: Logger;
}
