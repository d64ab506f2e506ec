/** The real program in a process of its own, with peers that answer from the test's process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, on, once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { createJobSignatures, createServiceIdentity } from '@wardstone/access';
import { migrate } from '@wardstone/db';
import { createStageWorker, migrateQueue, type Signatures, type StageJob, type StageWorker } from '@wardstone/queue';
import { createServiceClient, startServer, type RunningServer, type ServiceClient } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService, type TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import {
  TenantWorkService,
  type ReportTenantWorkRequest,
  type TenantStatusSchema,
  type TenantWorkSchema,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { createTelemetry, type Telemetry } from '@wardstone/telemetry';
import { createTestDatabase, eventually, startTestIssuer, testIdentities, type TestDatabase } from '@wardstone/testing';
import { migrations } from '../../src/db/migrations.ts';

export interface Program {
  readonly client: ServiceClient<typeof IngestionService>;
  readonly url: string;
  /** The database of the queue alone: it may go away without the documents'. */
  readonly queueDatabase: TestDatabase;
  readonly database: TestDatabase;
  readonly objectsDir: string;
  readonly tenantKey: InTestTenantKey;
  /** How often each document was indexed. */
  readonly indexed: Map<string, number>;
  start(): Promise<void>;
  /** Sends the signal and gives the exit code; null when the signal killed the program. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
  /** Resident set of the program and nothing else, in bytes. */
  residentBytes(): Promise<number>;
  /** What a service signs jobs and their outcomes with. */
  signatures(service: string): Promise<Signatures>;
  /** The program and every process that it started. */
  processes(): Promise<number[]>;
  close(): Promise<void>;
}

/** What tenant-key says, as far as a test changes it. */
export interface InTestTenantKey {
  currentVersion: number;
  /** Handed out until it is taken away. */
  work: MessageInitShape<typeof TenantWorkSchema>[];
  readonly reports: ReportTenantWorkRequest[];
  /** Tells who listens of a change. */
  announce(tenantId: string, state: TenantState): void;
  readonly changes: EventEmitter;
}

const mainFile = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export async function openProgram(settings: Readonly<Record<string, string>> = {}): Promise<Program> {
  const database = await createTestDatabase({ schemas: ['ingestion'] });
  const queueDatabase = await createTestDatabase({ schemas: [] });
  const { ownerUrl, appRole, appUrl } = database.schema('ingestion');
  await migrate({ ownerUrl, appRole, schema: 'ingestion', migrations });
  await migrateQueue(queueDatabase.queueUrl);
  const identities = await testIdentities(['gateway', 'ingestion', 'embedding', 'retrieval']);
  const issuer = await startTestIssuer();
  const objectsDir = await mkdtemp(join(tmpdir(), 'wardstone-ingestion-'));
  const telemetry = createTelemetry({ service: 'peers', version: '0', logLevel: 'silent' });
  const tenantKey = tenantKeyInTest();
  const peers = await startPeers(telemetry, tenantKey);
  const indexed = new Map<string, number>();
  const signatures: Program['signatures'] = async (service) => {
    const identity = await createServiceIdentity({ service, privateJwkFile: identities.keyFile(service) });
    return createJobSignatures({ identity, serviceJwksFile: identities.jwksFile });
  };
  const workers = await startStages(queueDatabase.queueUrl, telemetry, signatures, indexed);
  const port = await freePort();
  const gateway = await createServiceIdentity({ service: 'gateway', privateJwkFile: identities.keyFile('gateway') });
  const url = `http://127.0.0.1:${String(port)}`;
  let child: ChildProcess | undefined;

  async function stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    return child.exitCode;
  }

  return {
    url,
    database,
    queueDatabase,
    objectsDir,
    tenantKey,
    indexed,
    signatures,
    stop,
    client: createServiceClient(IngestionService, {
      baseUrl: url,
      audience: 'ingestion',
      authorize: gateway.authorize('ingestion'),
    }),
    async start() {
      const env = {
        WARDSTONE_PORT: String(port),
        WARDSTONE_LOG_LEVEL: 'warn',
        WARDSTONE_SERVICE_KEY_FILE: identities.keyFile('ingestion'),
        WARDSTONE_SERVICE_JWKS_FILE: identities.jwksFile,
        WARDSTONE_OIDC_ISSUER: issuer.issuer,
        WARDSTONE_DATABASE_URL: appUrl,
        WARDSTONE_QUEUE_DATABASE_URL: queueDatabase.queueUrl,
        WARDSTONE_OBJECTS_DIR: objectsDir,
        WARDSTONE_TENANT_KEY_URL: peers.url,
        WARDSTONE_AUDIT_URL: peers.url,
        WARDSTONE_RETRIEVAL_URL: peers.url,
        WARDSTONE_RECONCILE_INTERVAL_MS: '300',
        WARDSTONE_RECONCILE_GRACE_MS: '1000',
        WARDSTONE_TENANT_WORK_INTERVAL_MS: '300',
        ...settings,
      };
      child = spawn(process.execPath, [mainFile], { env, stdio: ['ignore', 'ignore', 'inherit'] });
      await eventually(async () => (await fetch(`${url}/readyz`)).ok, { timeoutMs: 60_000, description: 'readiness' });
    },
    async residentBytes() {
      const status = await readFile(`/proc/${String(child?.pid)}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    },
    async processes() {
      const pid = String(child?.pid);
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
      return [Number(pid), ...children.trim().split(' ').filter(Boolean).map(Number)];
    },
    async close() {
      await stop('SIGKILL');
      await Promise.all(workers.map((worker) => worker.close()));
      await peers.close();
      await issuer.close();
      await telemetry.shutdown();
      await identities.drop();
      await database.drop();
      await queueDatabase.drop();
      await rm(objectsDir, { recursive: true, force: true });
    },
  };
}

type TenantStatusInit = MessageInitShape<typeof TenantStatusSchema>;

function tenantKeyInTest(): InTestTenantKey {
  const changes = new EventEmitter();
  const tenantKey: InTestTenantKey = {
    currentVersion: 1,
    work: [],
    reports: [],
    changes,
    announce: (tenantId, state) => {
      changes.emit('tenant', { tenantId, state, keyVersion: tenantKey.currentVersion });
    },
  };
  return tenantKey;
}

/** tenant-key, audit and retrieval as far as ingestion asks them. */
function startPeers(telemetry: Telemetry, tenantKey: InTestTenantKey): Promise<RunningServer> {
  return startServer({
    service: 'peers',
    telemetry,
    host: '127.0.0.1',
    port: 0,
    reflection: false,
    drainTimeoutMs: 100,
    dependencies: {},
    callerCheck: () =>
      Promise.resolve({
        principal: { subject: 'service:ingestion', kind: 'service', tenantId: undefined, roles: ['service'] },
        peer: 'ingestion',
      }),
    routes: (router) => {
      router.service(TenantKeyService, {
        getTenant: ({ tenantId }) => ({
          tenant: { tenantId, settings: { chunkSizeChars: 500, chunkOverlapChars: 50 } },
        }),
        getDataKeys: ({ purpose, version }) => {
          const { currentVersion } = tenantKey;
          const given = version === 0 ? currentVersion : version;
          const key = Buffer.alloc(32, purpose + 16 * given);
          return { dataKey: { version: given, key }, currentVersion, maxAgeSeconds: 60, maxUses: 1_000 };
        },
      });
      router.service(TenantWorkService, {
        async *watchTenants(_request, { signal }) {
          yield { event: { case: 'snapshotComplete' as const, value: {} } };
          const changes = on(tenantKey.changes, 'tenant', { signal }) as AsyncIterable<[TenantStatusInit]>;
          for await (const [value] of changes) yield { event: { case: 'tenant' as const, value } };
        },
        listTenantWork: () => ({ work: tenantKey.work }),
        beginTenantWork: () => ({}),
        reportTenantWork: (report) => {
          tenantKey.reports.push(report);
          return {};
        },
      });
      router.service(AuditService, {
        appendEvents: ({ events }) => ({ recorded: events.map(({ eventId }) => ({ eventId })) }),
      });
      router.service(RetrievalService, { removeDocument: () => ({ removedChunks: 0 }) });
    },
  });
}

/** The stages of other services, which do nothing but run. */
async function startStages(
  postgresUrl: string,
  telemetry: Telemetry,
  signatures: Program['signatures'],
  indexed: Map<string, number>,
): Promise<StageWorker[]> {
  const stage = { backend: { postgresUrl }, telemetry, concurrency: 8 };
  const count = ({ documentId }: StageJob): Promise<void> => {
    indexed.set(documentId, (indexed.get(documentId) ?? 0) + 1);
    return Promise.resolve();
  };
  const embed = { ...stage, stage: 'embed', signatures: await signatures('embedding') } as const;
  const index = { ...stage, stage: 'index', signatures: await signatures('retrieval') } as const;
  return Promise.all([
    createStageWorker({ ...embed, handle: () => Promise.resolve() }),
    createStageWorker({ ...index, handle: count }),
  ]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
