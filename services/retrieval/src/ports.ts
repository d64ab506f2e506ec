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

/** Turns questions into vectors. Thrown: MODEL_UNAVAILABLE, AUDIT_UNAVAILABLE, and what the caller may not do. */
export interface QuestionVectors {
  vectorOf(question: string, call: CallContext): Promise<{ readonly modelId: string; readonly vector: Float32Array }>;
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
  readonly vectorSteps: VectorSteps;
  readonly auditor: Pick<Auditor, 'record'>;
  readonly progress: ProgressReporter;
  readonly metrics: RetrievalMetrics;
  readonly limits: Limits;
  readonly log: Logger;
}
