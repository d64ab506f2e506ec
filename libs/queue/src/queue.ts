import { randomUUID } from 'node:crypto';
import { AppError } from '@wardstone/rpc';
import type { Telemetry } from '@wardstone/telemetry';
import { queueClasses, type FlowHandle, type FlowNode, type QueueBackend, type QueueClasses } from './backend.ts';
import { parseStageJob, stageJobId, stages, type StageJob } from './job.ts';
import { registerWaitingGauge } from './metrics.ts';
import { practicallyUnlimitedAttempts } from './retry.ts';
import { signJob, type Signatures } from './statements.ts';

/** What is known of a document's flow of jobs. */
export type FlowState =
  /** No job of it is left. */
  | 'absent'
  /** Some job of it runs, waits or will be retried. */
  | 'active'
  /** `publish` failed, or jobs were lost so that nothing of it would ever run: adding it again starts it again. */
  | 'failed'
  /** `publish` ran, whether the document became READY or FAILED. */
  | 'completed';

/** Names a flow. */
export type FlowKey = Pick<StageJob, 'documentId' | 'version'>;

/** The producing side of the queue. Calls fail fast: QUEUE_UNAVAILABLE within seconds, never a wait for the server. */
export interface Queue {
  /**
   * Adds extract → embed → index → publish, all or nothing, under ids made of the document and its version. While such a
   * flow is active this does nothing; after a lost, failed or finished one it starts again from `extract`.
   * Thrown: QUEUE_UNAVAILABLE (the flow may have been added); z.ZodError for a job that is not one.
   */
  addDocumentFlow(job: StageJob): Promise<void>;
  flowState(job: FlowKey): Promise<FlowState>;
  /**
   * Removes what is left of a flow; answers how many jobs that were. A stage that runs just now finishes, and nothing
   * follows it.
   */
  removeFlow(job: FlowKey): Promise<number>;
  /** Resolves when the queue's server answers. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface QueueOptions {
  readonly backend: QueueBackend;
  readonly telemetry: Pick<Telemetry, 'log' | 'metrics'>;
  /** Those of the producer (`producer`): jobs that another signs are not believed. */
  readonly signatures: Pick<Signatures, 'sign'>;
  /** Bound of every call; 5 s unless told. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 5_000;

/** Finished jobs stay for a look, by age alone: keeping by count dead-locks on Postgres. */
const keepCompletedSeconds = 3_600;
const keepFailedSeconds = 7 * 86_400;

/** Opens the producing side. Does not wait for the server. */
export async function createQueue(options: QueueOptions): Promise<Queue> {
  const { log } = options.telemetry;
  const connection = createConnection(queueClasses(options.backend), (error) =>
    log.warn({ err: error }, 'queue connection fault'),
  );
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;

  async function run<T>(work: (flow: FlowHandle) => Promise<T>): Promise<T> {
    return withinDeadline(timeoutMs, async () => work(await connection.ready()));
  }

  const queue: Queue = {
    addDocumentFlow: async (job) => {
      const checked = parseStageJob(job);
      await run(async (flow) =>
        flow.exclusively(flowKey(checked), async () => {
          const state = await readFlowState(flow, checked);
          if (state === 'active') return;
          if (state !== 'absent') await removeJobs(flow, checked);
          await flow.add(await documentFlow(options.signatures, checked));
        }),
      );
    },
    flowState: async (job) => run(async (flow) => readFlowState(flow, job)),
    removeFlow: async (job) => run(async (flow) => flow.exclusively(flowKey(job), async () => removeJobs(flow, job))),
    check: async () => {
      await run(async (flow) => flow.queue('publish').getCounts(['active']));
    },
    close: async () => connection.close(),
  };
  registerWaitingGauge(options.telemetry.metrics, async (stage, states) =>
    run(async (flow) => flow.queue(stage).getCounts([...states])),
  );
  return queue;
}

function flowKey({ documentId, version }: FlowKey): string {
  return `${documentId}.${version}`;
}

/** `publish` at the root, each stage the child of the next; each signed for itself, all for one run. */
async function documentFlow(signatures: Pick<Signatures, 'sign'>, job: StageJob): Promise<FlowNode> {
  const run = randomUUID();
  let node: FlowNode | undefined;
  for (const stage of stages) {
    node = {
      name: stage,
      queueName: stage,
      data: await signJob(signatures, { stage, run, job }),
      opts: {
        jobId: stageJobId(stage, job),
        attempts: practicallyUnlimitedAttempts,
        backoff: { type: 'wardstone' },
        removeOnComplete: { age: keepCompletedSeconds },
        removeOnFail: { age: keepFailedSeconds },
        // A stack is of no use to whoever reads a queue, and could carry more than we know.
        stackTraceLimit: 0,
        // The next stage runs after a failure too, and hands it on, so that `publish` can say why.
        ...(stage === 'publish' ? {} : { continueParentOnFailure: true }),
      },
      ...(node === undefined ? {} : { children: [node] }),
    };
  }
  if (node === undefined) throw new TypeError('a flow has stages');
  return node;
}

const live: ReadonlySet<string> = new Set(['active', 'waiting', 'delayed', 'prioritized', 'paused']);

async function readFlowState(flow: FlowHandle, job: FlowKey): Promise<FlowState> {
  // One after the other, in the direction in which the flow moves: read at once, a flow that steps on between two
  // reads would look as if nothing of it could run.
  const states: string[] = [];
  for (const stage of stages) states.push(await flow.queue(stage).getState(stageJobId(stage, job)));
  const publish = states.at(-1);
  if (states.some((state) => live.has(state))) return 'active';
  if (publish === 'completed') return 'completed';
  // Nothing can run. If jobs are left, some were lost, or `publish` itself failed.
  return states.every((state) => state === 'unknown') ? 'absent' : 'failed';
}

/** From the root down, so that no removed child releases a parent that is still there. */
async function removeJobs(flow: FlowHandle, job: FlowKey): Promise<number> {
  let removed = 0;
  for (const stage of stages.toReversed()) {
    const before = await flow.queue(stage).getState(stageJobId(stage, job));
    const answer = await flow.queue(stage).remove(stageJobId(stage, job), false);
    // One that was not there is answered like one that was removed.
    if (before !== 'unknown' && answer === 1) removed += 1;
  }
  return removed;
}

interface Connection {
  ready(): Promise<FlowHandle>;
  close(): Promise<void>;
}

/** BullMQ remembers a first connection that failed for good: a new producer is made for the next call. */
function createConnection(classes: QueueClasses, onError: (error: Error) => void): Connection {
  let current: Promise<FlowHandle> | undefined;
  let handle: FlowHandle | undefined;
  let closed = false;

  function open(): Promise<FlowHandle> {
    const next = classes.flowProducer();
    handle = next;
    next.on('error', onError);
    const opening = next.waitUntilReady().then(
      () => next,
      async (error: unknown) => {
        if (current === opening) current = undefined;
        await next.close().catch(() => undefined);
        throw error;
      },
    );
    current = opening;
    return opening;
  }

  return {
    ready: async () => {
      if (closed) throw new AppError('QUEUE_UNAVAILABLE');
      return current ?? open();
    },
    close: async () => {
      closed = true;
      await handle?.close().catch(() => undefined);
    },
  };
}

async function withinDeadline<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new AppError('QUEUE_UNAVAILABLE')), timeoutMs);
  });
  try {
    return await Promise.race([work(), deadline]);
  } catch (error) {
    throw error instanceof AppError ? error : new AppError('QUEUE_UNAVAILABLE', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
