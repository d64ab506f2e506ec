import { requestContext, withSpan } from '@wardstone/telemetry';
import { UnrecoverableError, WaitingError, type Job } from 'bullmq';
import { z } from 'zod';
import { parseStageJob, stageJobId, stages, type Stage, type StageJob } from './job.ts';
import type { JobMetrics, JobOutcome } from './metrics.ts';
import { judge, reasonFromQueue, unsureAttempts } from './retry.ts';
import type { StageFailure, StageWorkerConfig } from './worker.ts';

/** Why a run is ended from outside. */
export type AbortReason = 'lost' | 'closing';

/** The jobs that run just now, by id. */
export type RunningJobs = Map<string, { abort(reason: AbortReason): void }>;

/** What a job leaves for its parent. */
export interface StageResult {
  readonly failure?: StageFailure;
}

/** How a run ended, and what BullMQ is told. */
interface Ending {
  readonly outcome: JobOutcome;
  readonly result?: StageResult;
  readonly error?: Error;
}

/** BullMQ's processor around a stage's handler. */
export function createProcessor(
  config: StageWorkerConfig,
  running: RunningJobs,
  metrics: JobMetrics,
): (bullJob: Job, token?: string) => Promise<StageResult> {
  const { stage } = config;
  return async (bullJob, token) => {
    const startedAt = performance.now();
    const controller = new AbortController();
    const id = bullJob.id ?? '';
    let abortedBy: AbortReason | undefined;
    running.set(id, {
      abort: (reason) => {
        abortedBy ??= reason;
        controller.abort(new Error(`job ${reason}`));
      },
    });
    try {
      const ending = await runOnce(config, bullJob, controller.signal, async () => {
        if (abortedBy !== 'closing' || token === undefined) return false;
        await bullJob.moveToWait(token);
        return true;
      });
      metrics.finished(stage, ending.outcome, (performance.now() - startedAt) / 1_000);
      if (ending.error !== undefined) throw ending.error;
      return ending.result ?? {};
    } finally {
      running.delete(id);
    }
  };
}

async function runOnce(
  config: StageWorkerConfig,
  bullJob: Job,
  signal: AbortSignal,
  giveBack: () => Promise<boolean>,
): Promise<Ending> {
  const { stage, telemetry } = config;
  const job = readJob(stage, bullJob);
  if (job === undefined) {
    telemetry.log.error({ stage, jobId: bullJob.id }, 'a job that is none of ours was refused');
    return { outcome: 'failed', error: new UnrecoverableError('INVALID_ARGUMENT') };
  }
  const failure = await failureBefore(stage, bullJob);
  if (failure !== undefined && stage !== 'publish') return { outcome: 'skipped', result: { failure } };

  const context = { requestId: job.requestId, tenantId: job.tenantId, caller: 'queue', subject: job.requestedBy };
  return requestContext.run(context, async () => {
    const unsureBefore = unsureFailures(bullJob);
    try {
      await withSpan(
        telemetry.tracer,
        `job ${stage}`,
        {
          'wardstone.stage': stage,
          'wardstone.document_id': job.documentId,
          'wardstone.document_version': job.version,
          'wardstone.attempt': bullJob.attemptsMade + 1,
        },
        async () =>
          config.handle(job, {
            signal,
            attempt: bullJob.attemptsMade + 1,
            lastAttempt: unsureBefore + 1 >= unsureAttempts,
            ...(failure === undefined ? {} : { failure }),
          }),
        { traceparent: job.traceparent },
      );
      return { outcome: 'completed' };
    } catch (error) {
      if (signal.aborted && (await giveBack())) return { outcome: 'returned', error: new WaitingError() };
      return endingOf(config, bullJob, error, unsureBefore);
    }
  });
}

/** What BullMQ hears is a reason alone: the error's own text could hold content, and the queue is clear text. */
async function endingOf(
  config: StageWorkerConfig,
  bullJob: Job,
  error: unknown,
  unsureBefore: number,
): Promise<Ending> {
  const { stage, telemetry } = config;
  const { verdict, reason } = judge(error);
  const details = { stage, jobId: bullJob.id, reason, attempt: bullJob.attemptsMade + 1, err: error };
  const exhausted = verdict === 'unsure' && unsureBefore + 1 >= unsureAttempts;
  if (verdict === 'permanent' || exhausted) {
    telemetry.log.warn(details, 'job failed');
    return { outcome: 'failed', error: new UnrecoverableError(exhausted ? 'INTERNAL' : reason) };
  }
  if (verdict === 'unsure') await bullJob.updateProgress({ unsureFailures: unsureBefore + 1 });
  telemetry.log.info(details, 'job will be repeated');
  return { outcome: 'retried', error: new Error(reason) };
}

function readJob(stage: Stage, bullJob: Job): StageJob | undefined {
  try {
    const job = parseStageJob(bullJob.data);
    return bullJob.id === stageJobId(stage, job) ? job : undefined;
  } catch {
    return undefined;
  }
}

const progressSchema = z.object({ unsureFailures: z.int().min(0) });

function unsureFailures(bullJob: Job): number {
  const progress = progressSchema.safeParse(bullJob.progress);
  return progress.success ? progress.data.unsureFailures : 0;
}

const resultSchema = z.object({ failure: z.object({ stage: z.enum(stages), reason: z.string() }).optional() });

/** A failure of the stage before this one, or one that it handed on. */
async function failureBefore(stage: Stage, bullJob: Job): Promise<StageFailure | undefined> {
  const before = stages[stages.indexOf(stage) - 1];
  if (before === undefined) return undefined;
  const failed: Record<string, unknown> = await bullJob.getIgnoredChildrenFailures();
  const [reason] = Object.values(failed);
  if (reason !== undefined) return { stage: before, reason: reasonFromQueue(reason) };
  const values: Record<string, unknown> = await bullJob.getChildrenValues();
  for (const value of Object.values(values)) {
    const result = resultSchema.safeParse(value);
    const handedOn = result.success ? result.data.failure : undefined;
    if (handedOn !== undefined) return { stage: handedOn.stage, reason: reasonFromQueue(handedOn.reason) };
  }
  return undefined;
}
