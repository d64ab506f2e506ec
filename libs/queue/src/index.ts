export * from './artefacts.ts';
export type { QueueBackend } from './backend.ts';
export { parseStageJob, producer, stageJobId, stageOwners, stages, type Stage, type StageJob } from './job.ts';
export { migrateQueue } from './migrate.ts';
export { createProgressReporter, type ProgressOptions, type ProgressReporter } from './progress.ts';
export { createQueue, type FlowKey, type FlowState, type Queue, type QueueOptions } from './queue.ts';
export { judge, type Verdict } from './retry.ts';
export type { Refusal, Signatures } from './statements.ts';
export {
  createStageWorker,
  type StageContext,
  type StageFailure,
  type StageWorker,
  type StageWorkerConfig,
} from './worker.ts';
export { inBatches } from './in-batches.ts';
