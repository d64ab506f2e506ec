import type { Reason } from '@wardstone/rpc';
import { requestContext, withSpan } from '@wardstone/telemetry';
import { UnrecoverableError, WaitingError, type Job } from 'bullmq';
import { stageJobId, stages } from './job.ts';
import type { JobMetrics } from './metrics.ts';
import { judge, maxTakeovers, needsOperator, unsureAttempts } from './retry.ts';
import {
  NotBelieved,
  readJob,
  readOutcome,
  readTally,
  signedText,
  signOutcome,
  signTally,
  type RunningStage,
  type Signed,
  type Tally,
} from './statements.ts';
import type { StageFailure, StageWorkerConfig } from './worker.ts';

/** Why a run is ended from outside. */
export type AbortReason = 'lost' | 'closing';

/** The jobs that run just now, by id. */
export type RunningJobs = Map<string, { abort(reason: AbortReason): void }>;

/** How a run ended, and what BullMQ is told: what the next stage finds (an outcome, or a failure handed on), or an error. */
type Ending =
  | { readonly outcome: 'completed' | 'skipped'; readonly left: string }
  | { readonly outcome: 'failed' | 'retried' | 'returned' | 'refused'; readonly error: Error };

/** One run of a job that is believed. */
interface Run {
  readonly bullJob: Job;
  readonly running: RunningStage;
  readonly tally: Tally;
  readonly signal: AbortSignal;
  readonly failure: StageFailure | undefined;
  giveBack(): Promise<boolean>;
}

/** BullMQ's processor around a stage's handler. */
export function createProcessor(
  config: StageWorkerConfig,
  running: RunningJobs,
  metrics: JobMetrics,
): (bullJob: Job, token?: string) => Promise<Signed> {
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
    const giveBack = async (): Promise<boolean> => {
      if (abortedBy !== 'closing' || token === undefined) return false;
      await bullJob.moveToWait(token);
      return true;
    };
    try {
      const ending = await runOnce(config, bullJob, controller.signal, giveBack).catch((error: unknown) =>
        refuse(config, metrics, bullJob, error),
      );
      metrics.finished(stage, ending.outcome, (performance.now() - startedAt) / 1_000);
      if ('error' in ending) throw ending.error;
      return { signed: ending.left };
    } finally {
      running.delete(id);
    }
  };
}

/** What is not believed is never run, and leaves nothing that a later stage would believe. */
function refuse(config: StageWorkerConfig, metrics: JobMetrics, bullJob: Job, error: unknown): Ending {
  if (!(error instanceof NotBelieved)) throw error;
  const { stage, telemetry } = config;
  const { subject, refusal } = error;
  metrics.refused(stage, subject, refusal);
  // The id of a forged job is whatever its forger wrote.
  const known = /^[a-z]+\.[0-9a-f-]{36}\.\d{1,10}$/.test(bullJob.id ?? '') ? { jobId: bullJob.id } : {};
  telemetry.log.error({ stage, ...known, kind: subject, reason: refusal }, 'a job was refused: it is not believed');
  return { outcome: 'refused', error: new UnrecoverableError(error.message) };
}

async function runOnce(
  config: StageWorkerConfig,
  bullJob: Job,
  signal: AbortSignal,
  giveBack: () => Promise<boolean>,
): Promise<Ending> {
  const { stage, signatures } = config;
  const running = await readJob(signatures, stage, bullJob.data);
  const { job } = running;
  if (bullJob.id !== stageJobId(stage, job)) throw new NotBelieved('job', 'OTHER_JOB');
  const before = await outcomeBefore(config, bullJob, running);
  if (before?.failure !== undefined && stage !== 'publish') return { outcome: 'skipped', left: before.text };

  const context = { requestId: job.requestId, tenantId: job.tenantId, caller: 'queue', subject: job.requestedBy };
  return requestContext.run(context, async () => {
    const tally = await countTakeover(config, bullJob, running);
    const run: Run = { bullJob, running, tally, signal, failure: before?.failure, giveBack };
    if (tally.takeovers > maxTakeovers) return failed(config, run, 'INTERNAL');
    return handle(config, run);
  });
}

async function handle(config: StageWorkerConfig, run: Run): Promise<Ending> {
  const { stage, telemetry, signatures } = config;
  const { bullJob, running, signal, failure } = run;
  const { job } = running;
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
          lastAttempt: run.tally.unsureFailures + 1 >= unsureAttempts,
          ...(failure === undefined ? {} : { failure }),
        }),
      { traceparent: job.traceparent },
    );
    return { outcome: 'completed', left: await signOutcome(signatures, running) };
  } catch (error) {
    if (signal.aborted && (await run.giveBack())) return { outcome: 'returned', error: new WaitingError() };
    return endingOf(config, run, error);
  }
}

/** What BullMQ hears is a reason alone: the error's own text could hold content, and the queue is clear text. */
async function endingOf(config: StageWorkerConfig, run: Run, error: unknown): Promise<Ending> {
  const { stage, telemetry } = config;
  const { bullJob, tally } = run;
  const { verdict, reason } = judge(error);
  const details = { stage, jobId: bullJob.id, reason, attempt: bullJob.attemptsMade + 1, err: error };
  const exhausted = verdict === 'unsure' && tally.unsureFailures + 1 >= unsureAttempts;
  if (verdict === 'permanent' || exhausted) {
    telemetry.log.warn(details, 'job failed');
    return failed(config, run, exhausted ? 'INTERNAL' : reason);
  }
  if (verdict === 'unsure') await writeTally(config, run, { ...tally, unsureFailures: tally.unsureFailures + 1 });
  if (needsOperator(reason)) telemetry.log.warn(details, 'job waits for an operator');
  else telemetry.log.info(details, 'job will be repeated');
  return { outcome: 'retried', error: new Error(reason) };
}

/** The reason for whoever looks at the queue, and the signed outcome for the stages behind. */
async function failed({ signatures }: StageWorkerConfig, { running }: Run, reason: Reason): Promise<Ending> {
  const outcome = await signOutcome(signatures, running, reason);
  return { outcome: 'failed', error: new UnrecoverableError(`${reason} ${outcome}`) };
}

/**
 * Counts a run that follows on a worker that vanished. BullMQ's own count is clear text in the queue, and its own end of a
 * job that was counted too often could be signed by nobody: it says that there was one more, and no more than that.
 */
async function countTakeover(config: StageWorkerConfig, bullJob: Job, running: RunningStage): Promise<Tally> {
  const tally = await readTally(config.signatures, running, bullJob.progress);
  const { stalledCounter: stalledCount } = bullJob;
  if (stalledCount === tally.stalledCount) return tally;
  const counted = { ...tally, stalledCount, takeovers: tally.takeovers + 1 };
  await writeTally(config, { bullJob, running }, counted);
  return counted;
}

async function writeTally(
  { signatures }: StageWorkerConfig,
  { bullJob, running }: Pick<Run, 'bullJob' | 'running'>,
  tally: Tally,
): Promise<void> {
  await bullJob.updateProgress(await signTally(signatures, running, tally));
}

interface OutcomeBefore {
  readonly text: string;
  readonly failure: StageFailure | undefined;
}

/** How the stage before this one ended, or the failure that it handed on. Thrown: NotBelieved. */
async function outcomeBefore(
  { signatures }: StageWorkerConfig,
  bullJob: Job,
  running: RunningStage,
): Promise<OutcomeBefore | undefined> {
  const stageBefore = stages[stages.indexOf(running.stage) - 1];
  if (stageBefore === undefined) return undefined;
  const id = `${stageBefore}:${stageJobId(stageBefore, running.job)}`;
  const failures: Record<string, unknown> = await bullJob.getIgnoredChildrenFailures();
  const values: Record<string, unknown> = await bullJob.getChildrenValues();
  const text = signedText(ofChild(values, id)) ?? signedReason(ofChild(failures, id));
  if (text === undefined) throw new NotBelieved('outcome', 'UNSIGNED');
  const { stage, reason } = await readOutcome(signatures, running, text);
  return { text, failure: reason === undefined ? undefined : { stage, reason } };
}

/** BullMQ names a child `queue:id` on Postgres and `prefix:queue:id` on Redis. */
function ofChild(children: Record<string, unknown>, id: string): unknown {
  return Object.entries(children).find(([key]) => key === id || key.endsWith(`:${id}`))?.[1];
}

/** The signed outcome behind the reason of a failed job. */
function signedReason(text: unknown): string | undefined {
  return typeof text === 'string' ? /^[A-Z_]+ ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(text)?.[1] : undefined;
}
