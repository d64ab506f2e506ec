/** The service's handlers over a real database, a real object store and real seals; peers are plain objects. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyRing, type KeyRing } from '@wardstone/crypto';
import { migrate, openDatabase, type Database } from '@wardstone/db';
import type { FlowState, StageJob } from '@wardstone/queue';
import {
  AppError,
  asPrincipal,
  createInMemoryTransport,
  createServiceClient,
  type Principal,
  type ServiceClient,
} from '@wardstone/rpc';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { createFileStore, createSealedObjects, type SealedObjects } from '@wardstone/storage';
import { createTelemetry, type Telemetry } from '@wardstone/telemetry';
import { createTestDatabase, type TestDatabase } from '@wardstone/testing';
import { bearing, createTestAuditor, type RecordedEvent, trustingCheck } from '@wardstone/service-testing';
import { v7 as uuidv7 } from 'uuid';
import { listenForChanges } from '../../src/adapters/document-changes.ts';
import { entities } from '../../src/db/entities.ts';
import { migrations } from '../../src/db/migrations.ts';
import { createExtractionPool } from '../../src/extraction/pool.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Deps, Limits } from '../../src/ports.ts';
import { routes } from '../../src/rpc/routes.ts';
import { testLimits } from './pdf.ts';

/** What a test may break. */
export interface Faults {
  audit: boolean;
  queue: boolean;
  index: boolean;
  objects: boolean;
}

export interface Harness {
  readonly deps: Deps;
  readonly client: ServiceClient<typeof IngestionService>;
  readonly database: Database;
  readonly testDatabase: TestDatabase;
  readonly objects: SealedObjects;
  readonly objectsDir: string;
  readonly telemetry: Telemetry;
  readonly events: RecordedEvent[];
  /** Flows that were added, by document id. */
  readonly flows: Map<string, { job: StageJob; state: FlowState }>;
  /** Documents that were removed from the index. */
  readonly removedFromIndex: string[];
  readonly faults: Faults;
  readonly tenants: TestTenants;
  readonly logs: string[];
  /** Forgets every document, object, flow and event, and all that was done to tenants. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export const tenantA = uuidv7();
export const tenantB = uuidv7();

export function clinician(tenantId: string): Principal {
  return { subject: 'user-1', kind: 'user', tenantId, roles: ['clinician'] };
}

/** Options of a call by a clinician of the tenant. */
export function as(tenantId: string, options: { signal?: AbortSignal; timeoutMs?: number } = {}) {
  return asPrincipal(clinician(tenantId), { requestId: 'request-1', ...options });
}

const defaultLimits: Limits = {
  maxUploadBytes: 8 * 1024 * 1024,
  maxExtractBytes: 4 * 1024 * 1024,
  maxWatchers: 3,
  watchIntervalMs: 200,
  maxUploads: 64,
  maxDownloads: 3,
  tenantSlotPercent: 100,
};

export async function openHarness(limits: Partial<Limits> = {}): Promise<Harness> {
  const testDatabase = await createTestDatabase({ schemas: ['ingestion'] });
  const { ownerUrl, appRole, appUrl } = testDatabase.schema('ingestion');
  await migrate({ ownerUrl, appRole, schema: 'ingestion', migrations });
  const database = await openDatabase({
    url: appUrl,
    schema: 'ingestion',
    entities,
    applicationName: 'ingestion-test',
    acquireTimeoutMs: 2_000,
  });
  const logs: string[] = [];
  const destination = { write: (line: string) => void logs.push(line) };
  const telemetry = createTelemetry({ service: 'ingestion', version: '0', logLevel: 'debug', destination });
  const objectsDir = await mkdtemp(join(tmpdir(), 'wardstone-ingestion-'));
  const tenants = testTenants();
  const { keys } = tenants;
  const faults: Faults = { audit: false, queue: false, index: false, objects: false };
  const sealed = createSealedObjects({ store: createFileStore({ dir: objectsDir }), keys });
  const objects = failing(sealed, () => faults.objects, 'OBJECT_STORE_UNAVAILABLE');
  const events: RecordedEvent[] = [];
  const flows: Harness['flows'] = new Map();
  const removedFromIndex: string[] = [];
  const changes = await listenForChanges(database);
  const pool = createExtractionPool({
    concurrency: 2,
    maxHeapMiB: 256,
    limits: { ...testLimits, maxChars: 1_000_000 },
  });

  const deps: Deps = {
    database,
    keys,
    gate: tenants,
    objects,
    queue: failing(memoryQueue(flows), () => faults.queue, 'QUEUE_UNAVAILABLE'),
    auditor: createTestAuditor({
      onEvent: (event) => events.push(event),
      before: () => {
        if (faults.audit) throw new AppError('AUDIT_UNAVAILABLE');
      },
    }),
    changes,
    settings: { chunkSizes: () => Promise.resolve({ chunkSizeChars: 400, chunkOverlapChars: 60 }) },
    index: {
      removeDocument: async (tenantId, documentId) => {
        tenants.check(tenantId);
        if (faults.index) throw new AppError('SERVICE_UNAVAILABLE');
        removedFromIndex.push(documentId);
        await Promise.resolve();
      },
    },
    pool,
    streamMemory: { passed: () => undefined },
    metrics: createMetrics(telemetry.metrics),
    limits: { ...defaultLimits, ...limits },
    log: telemetry.log,
  };
  const transport = createInMemoryTransport({ routes: routes(deps), telemetry, callerCheck: trustingCheck });
  const client = createServiceClient(IngestionService, {
    baseUrl: 'http://in-memory',
    audience: 'ingestion',
    authorize: bearing,
    transport,
  });
  return {
    deps,
    client,
    database,
    testDatabase,
    objects: sealed,
    objectsDir,
    telemetry,
    events,
    flows,
    removedFromIndex,
    faults,
    tenants,
    logs,
    async clear() {
      await testDatabase.query('delete from ingestion.document');
      for (const tenantId of [tenantA, tenantB]) {
        await sealed.removeTenant(tenantId);
        tenants.resume(tenantId);
        tenants.rotate(tenantId, 1);
        tenants.retire(tenantId, 1);
      }
      flows.clear();
      for (const list of [events, removedFromIndex, logs]) list.length = 0;
      Object.assign(faults, { audit: false, queue: false, index: false, objects: false });
    },
    async close() {
      await pool.close();
      await changes.close();
      await database.close();
      await telemetry.shutdown();
      await testDatabase.drop();
      await rm(objectsDir, { recursive: true, force: true });
    },
  };
}

/** What tenant-key knows of tenants, as far as a test changes it. */
export interface TestTenants {
  readonly keys: KeyRing;
  /** As the gate answers, and every peer. */
  check(tenantId: string): void;
  /** New writes use the version from now on. */
  rotate(tenantId: string, version: number): void;
  /** Versions below are given to nobody any more, and held by nobody. */
  retire(tenantId: string, below: number): void;
  close(tenantId: string, reason: 'TENANT_SUSPENDED' | 'TENANT_OFFBOARDING'): void;
  resume(tenantId: string): void;
}

/** Keys that differ by tenant, purpose and version. */
function testTenants(): TestTenants {
  const current = new Map<string, number>();
  const retired = new Map<string, number>();
  const closed = new Map<string, 'TENANT_SUSPENDED' | 'TENANT_OFFBOARDING'>();
  const check = (tenantId: string): void => {
    const reason = closed.get(tenantId);
    if (reason !== undefined) throw new AppError(reason);
  };
  const keys = createKeyRing({
    fetch: async (tenantId, purpose, asked) => {
      check(tenantId);
      const currentVersion = current.get(tenantId) ?? 1;
      const version = asked === 0 ? currentVersion : asked;
      if (version < (retired.get(tenantId) ?? 1)) throw new AppError('KEY_VERSION_RETIRED');
      const key = createHash('sha256')
        .update(`${tenantId} ${purpose} ${String(version)}`)
        .digest();
      return Promise.resolve({ key, version, currentVersion, maxAgeMs: 60_000 });
    },
  });
  return {
    keys,
    check,
    rotate: (tenantId, version) => {
      current.set(tenantId, version);
      keys.refresh(tenantId);
    },
    retire: (tenantId, below) => {
      retired.set(tenantId, below);
      keys.forget(tenantId);
    },
    close: (tenantId, reason) => {
      closed.set(tenantId, reason);
      keys.forget(tenantId);
    },
    resume: (tenantId) => {
      closed.delete(tenantId);
    },
  };
}

function memoryQueue(flows: Harness['flows']): Deps['queue'] {
  return {
    addDocumentFlow: (job) => {
      flows.set(job.documentId, { job, state: 'active' });
      return Promise.resolve();
    },
    flowState: ({ documentId }) => Promise.resolve(flows.get(documentId)?.state ?? 'absent'),
    removeFlow: ({ documentId }) => {
      return Promise.resolve(flows.delete(documentId) ? 4 : 0);
    },
  };
}

/** The same thing, each of whose methods fails while the test says so. */
function failing<T extends object>(
  target: T,
  isDown: () => boolean,
  reason: 'QUEUE_UNAVAILABLE' | 'OBJECT_STORE_UNAVAILABLE',
): T {
  return new Proxy(target, {
    get: (object, name, receiver) => {
      const member: unknown = Reflect.get(object, name, receiver);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown =>
        isDown() ? Promise.reject(new AppError(reason)) : (Reflect.apply(member, object, args) as unknown);
    },
  });
}
