/**
 * The work that a service has with tenants' data, sealing again and removing: fetched from tenant-key, done in bounded steps,
 * reported after each. A kill at any instruction loses a report at most; the step is done again and finds nothing to do.
 */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { systemPrincipal, platformPrincipal } from '@wardstone/access';
import { createPassLoop, type Database, type Pass, type PassLoop } from '@wardstone/db';
import { AppError, asPrincipal, type ServiceClient } from '@wardstone/rpc';
import {
  TenantWorkKind,
  type TenantWork,
  type TenantWorkService,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { Counter, type Telemetry } from '@wardstone/telemetry';

/** What one step did, and what is left after it. */
export interface WorkStep {
  /** Documents that this step finished. */
  readonly documentsDone: number;
  /** Documents left; 0 only when nothing is. */
  readonly documentsLeft: number;
  /** What was removed, by kind: a word in lower case with underscores. */
  readonly removed?: Readonly<Record<string, number>>;
  /** What else this step brought on, such as rows that are no documents. */
  readonly moved?: number;
}

/** A tenant whose values are to be sealed again. */
export interface Resealing {
  readonly tenantId: string;
  /** Version below which nothing may be left. */
  readonly keyVersion: number;
  /** From here on nothing is written under an older version: what began earlier and still goes on is left, and counted. */
  readonly settledAt: Date;
}

/** A step each: a bounded number of documents, idempotent, safe to kill. It may throw, and is then done again. */
export interface TenantWorkHandlers {
  reseal(work: Resealing, signal: AbortSignal): Promise<WorkStep>;
  purge(work: { readonly tenantId: string }, signal: AbortSignal): Promise<WorkStep>;
}

export interface TenantWorkerOptions {
  readonly client: Pick<
    ServiceClient<typeof TenantWorkService>,
    'listTenantWork' | 'beginTenantWork' | 'reportTenantWork'
  >;
  /** Name of the service whose work it is. */
  readonly service: string;
  readonly database: Pick<Database, 'inPlatform'>;
  readonly handlers: TenantWorkHandlers;
  readonly telemetry: Pick<Telemetry, 'log' | 'metrics'>;
  /** Pause between two looks, give or take a fifth. */
  readonly intervalMs: number;
}

const timeoutMs = 5_000;
const tenantsPerPass = 50;
/** A worker; it does nothing until it is started. A pass gives the number of steps that were done. */
export function createTenantWorker(options: TenantWorkerOptions): PassLoop {
  const { service, database, intervalMs, telemetry } = options;
  const step = createStep(options);
  return createPassLoop({
    database,
    lock: `wardstone-${service}-tenant-work`,
    intervalMs,
    work: (pass) => work(options, step, pass),
    onFailure: (error) => {
      telemetry.log.warn({ err: error }, 'tenant work cannot be looked for at the moment');
    },
  });
}

/** A step of one piece of work. Answers whether another one in the same pass may bring it on. */
type Step = (work: TenantWork, isFirst: boolean, signal: AbortSignal) => Promise<boolean>;

function createStep({ client, service, handlers, telemetry }: TenantWorkerOptions): Step {
  const { log } = telemetry;
  const metrics = createMetrics(telemetry.metrics);
  return async (work, isFirst, signal) => {
    const kind = work.kind === TenantWorkKind.PURGE ? 'purge' : 'reseal';
    try {
      if (isFirst) await begin(client, service, work);
      const done = await handle(handlers, work, signal);
      metrics.documents.inc({ kind }, done.documentsDone);
      await report(client, service, work, done);
      return done.documentsLeft > 0 && hasMoved(done);
    } catch (error) {
      if (signal.aborted) return false;
      metrics.failures.inc({ kind });
      const { workId, tenantId } = work;
      log.warn({ err: error, workId, tenantId, kind, reason: AppError.from(error).reason }, 'tenant work failed');
      return false;
    }
  };
}

/** A step for each tenant in turn, until nothing moves any more or the pass is over. */
async function work({ client, service }: TenantWorkerOptions, step: Step, { signal, isOver }: Pass): Promise<number> {
  const { work: open } = await client.listTenantWork(
    { pageSize: tenantsPerPass },
    asPrincipal(platformPrincipal(service), { timeoutMs, signal }),
  );
  let steps = 0;
  for (let moving = open, isFirst = true; moving.length > 0; isFirst = false) {
    const still: TenantWork[] = [];
    for (const piece of moving) {
      if (isOver()) return steps;
      steps += 1;
      if (await step(piece, isFirst, signal)) still.push(piece);
    }
    moving = still;
  }
  return steps;
}

/** Whether another step is likely to bring the work on: rows go before the documents that they belong to. */
function hasMoved({ documentsDone, removed = {}, moved = 0 }: WorkStep): boolean {
  return documentsDone + moved > 0 || Object.values(removed).some((count) => count > 0);
}

async function handle(handlers: TenantWorkHandlers, work: TenantWork, signal: AbortSignal): Promise<WorkStep> {
  const { tenantId, keyVersion, settledAt } = work;
  switch (work.kind) {
    case TenantWorkKind.PURGE:
      return handlers.purge({ tenantId }, signal);
    case TenantWorkKind.RESEAL:
      if (settledAt === undefined) throw new AppError('INTERNAL', { message: 'work that never settles' });
      return handlers.reseal({ tenantId, keyVersion, settledAt: timestampDate(settledAt) }, signal);
    default:
      throw new AppError('INTERNAL', { message: 'work of a kind that this version does not know' });
  }
}

/** Before the first step of a pass: a piece that hangs, or kills this process, is behind the others in the next one. */
async function begin(
  client: TenantWorkerOptions['client'],
  service: string,
  { workId, tenantId, kind }: TenantWork,
): Promise<void> {
  const principal = systemPrincipal(service, tenantId);
  await client.beginTenantWork({ workId, kind }, asPrincipal(principal, { requestId: workId, timeoutMs }));
}

async function report(
  client: TenantWorkerOptions['client'],
  service: string,
  { workId, tenantId, kind: workKind }: TenantWork,
  { documentsDone, documentsLeft, removed = {} }: WorkStep,
): Promise<void> {
  const counts = Object.entries(removed).map(([kind, count]) => [kind, BigInt(count)] as const);
  await client.reportTenantWork(
    {
      workId,
      kind: workKind,
      documentsDone: BigInt(documentsDone),
      documentsLeft: BigInt(documentsLeft),
      removed: Object.fromEntries(counts),
    },
    asPrincipal(systemPrincipal(service, tenantId), { requestId: workId, timeoutMs }),
  );
}

function createMetrics(registry: Telemetry['metrics']) {
  const registers = [registry];
  return {
    documents: new Counter({
      name: 'wardstone_tenant_work_documents_total',
      help: 'Documents that were sealed again or removed.',
      labelNames: ['kind'],
      registers,
    }),
    failures: new Counter({
      name: 'wardstone_tenant_work_failures_total',
      help: 'Steps that failed and are done again.',
      labelNames: ['kind'],
      registers,
    }),
  };
}
