import { randomUUID } from 'node:crypto';
import { createTelemetry, InMemorySpanExporter, type Telemetry } from '@wardstone/telemetry';
import {
  testBackends,
  testIdentities,
  type OpenTestBackend,
  type TestBackend,
  type TestIdentities,
} from '@wardstone/testing';
import {
  createQueue,
  createStageWorker,
  migrateQueue,
  producer,
  stageOwners,
  stages,
  type Queue,
  type QueueOptions,
  type Signatures,
  type Stage,
  type StageContext,
  type StageJob,
  type StageWorker,
  type StageWorkerConfig,
} from '../../src/index.ts';
import { signaturesOf } from './signatures.ts';

/** What every test of the conformance suite may use. */
export interface Bench {
  readonly open: OpenTestBackend;
  readonly telemetry: Telemetry;
  readonly spans: InMemorySpanExporter;
  readonly logLines: string[];
  /** Keys of the services. */
  readonly identities: TestIdentities;
  /** What a service signs with, as its composition root wires it. */
  signatures(service: string): Promise<Signatures>;
  queue(options?: Partial<Pick<QueueOptions, 'backend' | 'timeoutMs'>>): Promise<Queue>;
  worker(
    stage: Stage,
    handle: StageWorkerConfig['handle'],
    options?: Partial<Omit<StageWorkerConfig, 'stage' | 'handle'>>,
  ): Promise<StageWorker>;
  /** A worker for each stage that notes its runs. `fail` may throw for a stage. */
  allWorkers(fail?: (stage: Stage, job: StageJob, context: StageContext) => void | Promise<void>): Promise<Run[]>;
}

export interface Run {
  readonly stage: Stage;
  readonly job: StageJob;
  readonly context: StageContext;
}

/** Retries that do not make a test wait. */
export const quickRetries = { firstMs: 5, maxMs: 20 };

/** One suite, run on every backend. Everything a test opened is closed after it. */
export function onEveryBackend(title: string, tests: (bench: () => Bench) => void): void {
  for (const backend of testBackends()) {
    describe(`${title} on ${backend.name}`, () => {
      let current: { readonly bench: Bench; close(): Promise<void> };
      beforeEach(async () => (current = await openBench(backend)));
      afterEach(async () => current.close());
      tests(() => current.bench);
    });
  }
}

async function openBench(backend: TestBackend): Promise<{ bench: Bench; close(): Promise<void> }> {
  const open = await backend.open();
  if ('postgresUrl' in open.backend) await migrateQueue(open.backend.postgresUrl);
  const spans = new InMemorySpanExporter();
  const logLines: string[] = [];
  const identities = await testIdentities();
  const signatures: Bench['signatures'] = async (service) => signaturesOf(identities, service);
  const telemetry = createTelemetry({
    service: 'ingestion',
    version: '0.0.0',
    logLevel: 'info',
    spanExporter: spans,
    destination: { write: (line: string) => void logLines.push(line) },
  });
  const closables: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(closable: T): T => {
    closables.unshift(closable);
    return closable;
  };
  const worker: Bench['worker'] = async (stage, handle, options = {}) =>
    keep(
      await createStageWorker({
        backend: open.backend,
        telemetry,
        stage,
        signatures: await signatures(stageOwners[stage]),
        handle,
        concurrency: 4,
        retryDelays: quickRetries,
        ...options,
      }),
    );
  const bench: Bench = {
    open,
    telemetry,
    spans,
    logLines,
    identities,
    signatures,
    queue: async (options = {}) => {
      const signed = { backend: open.backend, telemetry, signatures: await signatures(producer) };
      return keep(await createQueue({ ...signed, ...options }));
    },
    worker,
    allWorkers: async (fail) => {
      const runs: Run[] = [];
      for (const stage of stages) {
        await worker(stage, async (job, context) => {
          runs.push({ stage, job, context });
          await fail?.(stage, job, context);
        });
      }
      return runs;
    },
  };
  return {
    bench,
    close: async () => {
      for (const closable of closables) await closable.close();
      await telemetry.shutdown();
      await open.drop();
      await identities.drop();
    },
  };
}

/** A job of a document that nobody else knows. */
export function newJob(overrides: Partial<StageJob> = {}): StageJob {
  return {
    tenantId: randomUUID(),
    documentId: randomUUID(),
    version: 1,
    requestId: 'req-1',
    requestedBy: 'user-1',
    ...overrides,
  };
}
