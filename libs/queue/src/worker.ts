import { retryDelayMs, type Reason, type RetryDelays } from '@wardstone/rpc';
import type { Telemetry } from '@wardstone/telemetry';
import { queueClasses, type QueueBackend, type WorkerHandle } from './backend.ts';
import type { Stage, StageJob } from './job.ts';
import { jobMetrics } from './metrics.ts';
import { createProcessor, type RunningJobs } from './process-job.ts';
import { defaultRetryDelays, practicallyUnlimitedAttempts } from './retry.ts';
import type { Signatures } from './statements.ts';

/** A stage that failed for good before this one. */
export interface StageFailure {
  readonly stage: Stage;
  readonly reason: Reason;
}

/** What a handler knows of the run that it does. */
export interface StageContext {
  /** Aborted when the job was taken over by another worker, or when this worker closes and its time is over. */
  readonly signal: AbortSignal;
  /** From 1; counts every run that failed before. */
  readonly attempt: number;
  /** Whether one more failure for no known reason fails the job with INTERNAL. */
  readonly lastAttempt: boolean;
  /** Only `publish` sees one: after a failure the stages between are skipped. */
  readonly failure?: StageFailure;
}

export interface StageWorkerConfig {
  readonly backend: QueueBackend;
  readonly telemetry: Pick<Telemetry, 'log' | 'metrics' | 'tracer'>;
  readonly stage: Stage;
  /** Those of the service that owns the stage (`stageOwners`): what another signs is not believed by the stages behind. */
  readonly signatures: Signatures;
  /** Jobs that run at the same time in this worker. */
  readonly concurrency: number;
  /**
   * Does the stage's work; idempotent, since a job runs again when its worker dies. Thrown AppErrors decide what
   * follows: a reason of something that is away is repeated until it is back, a reason of the document fails it at once,
   * anything else is repeated a few times and then fails it with INTERNAL.
   */
  readonly handle: (job: StageJob, context: StageContext) => Promise<void>;
  /** How long a dead worker's jobs stay its own; 6 s unless told. A handler must not block the event loop so long. */
  readonly lockDurationMs?: number;
  readonly retryDelays?: RetryDelays;
  /** How long close() lets running jobs finish before it aborts them and gives them back; 10 s unless told. */
  readonly drainTimeoutMs?: number;
}

export interface StageWorker {
  /** Resolves when the worker is connected. Thrown: Error when it is not. */
  check(): Promise<void>;
  /** Takes no further job, lets running ones finish, aborts and gives back those that do not. Idempotent. */
  close(): Promise<void>;
}

const defaults = { lockDurationMs: 6_000, drainTimeoutMs: 10_000 };

/** With the lock's 6 s, a killed worker's job runs elsewhere within about 10 s: two checks of 2 s follow its expiry. */
const stalledIntervalMs = 2_000;

const reconnectDelayMs = 1_000;
const maxReconnectDelayMs = 5_000;
const abortGraceMs = 2_000;

/** Starts a worker for one stage. Does not wait for the queue's server: the worker connects when it is there. */
export async function createStageWorker(config: StageWorkerConfig): Promise<StageWorker> {
  const { log } = config.telemetry;
  const metrics = jobMetrics(config.telemetry.metrics);
  const running: RunningJobs = new Map();
  const processor = createProcessor(config, running, metrics);
  const delays = config.retryDelays ?? defaultRetryDelays;

  const supervisor = supervise(() => {
    const worker = queueClasses(config.backend).worker(config.stage, processor, {
      autorun: false,
      concurrency: config.concurrency,
      lockDuration: config.lockDurationMs ?? defaults.lockDurationMs,
      stalledInterval: stalledIntervalMs,
      // Our own count ends such a job, see maxTakeovers.
      maxStalledCount: practicallyUnlimitedAttempts,
      runRetryDelay: reconnectDelayMs,
      settings: { backoffStrategy: (attempt: number) => retryDelayMs(attempt, delays) },
    });
    worker.on('error', (error) => log.warn({ stage: config.stage, err: error }, 'queue worker fault'));
    worker.on('stalled', (jobId) => {
      metrics.stalled(config.stage);
      log.warn({ stage: config.stage, jobId }, 'job taken over from a worker that is gone');
    });
    worker.on('lockRenewalFailed', (jobIds) => {
      for (const jobId of jobIds) running.get(jobId)?.abort('lost');
    });
    return worker;
  });

  let closing: Promise<void> | undefined;
  return {
    check: async () => {
      if (!supervisor.connected()) throw new Error(`worker of ${config.stage} is not connected`);
    },
    close: () => {
      closing ??= drain(supervisor.stop(), running, config.drainTimeoutMs ?? defaults.drainTimeoutMs, () =>
        log.warn({ stage: config.stage, jobs: running.size }, 'jobs did not heed the abort; they will be taken over'),
      );
      return closing;
    },
  };
}

interface Supervisor {
  connected(): boolean;
  /** Stops taking jobs; resolves when the running ones are done and the connections closed. */
  stop(): Promise<void>;
}

/**
 * Makes workers until one connects. BullMQ remembers a first connection that failed for good, so a worker that started
 * before its server has to be replaced; once connected, it reconnects by itself.
 */
function supervise(create: () => WorkerHandle): Supervisor {
  let worker: WorkerHandle | undefined;
  let connected = false;
  let stopped = false;
  let wake: (() => void) | undefined;

  const started = (async () => {
    for (let delayMs = reconnectDelayMs; !stopped; delayMs = Math.min(delayMs * 2, maxReconnectDelayMs)) {
      worker = create();
      try {
        await worker.waitUntilReady();
        if (stopped) return;
        connected = true;
        void worker.run().catch(() => undefined);
        return;
      } catch {
        await worker.close(true).catch(() => undefined);
        worker = undefined;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delayMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  })();

  return {
    connected: () => connected && !stopped && worker?.isRunning() === true,
    stop: async () => {
      stopped = true;
      wake?.();
      // Before it is connected there is nothing to finish, and waiting for a server that is away would not end.
      await worker?.close(!connected).catch(() => undefined);
      await started;
    },
  };
}

async function drain(
  stopped: Promise<void>,
  running: RunningJobs,
  drainTimeoutMs: number,
  onLeftBehind: () => void,
): Promise<void> {
  if (await settlesWithin(stopped, drainTimeoutMs)) return;
  for (const job of running.values()) job.abort('closing');
  if (!(await settlesWithin(stopped, abortGraceMs))) onLeftBehind();
}

async function settlesWithin(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
