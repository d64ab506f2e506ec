/** Retrieval: the composition root. The sealed index of each tenant, written by a stage and read by searches. */
import { createAuditor, createJobSignatures, createServiceKit, systemPrincipal } from '@wardstone/access';
import { createRemoteKeyRing } from '@wardstone/crypto';
import { openDatabase } from '@wardstone/db';
import { createProgressReporter, createStageWorker } from '@wardstone/queue';
import { runUntilSignal } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { EmbeddingService } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { DocumentState, IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { createSealedObjects, openObjectStore } from '@wardstone/storage';
import { createTenantGate, createTenantWorker } from '@wardstone/tenancy';
import { createPassageVectors } from './adapters/passage-vectors.ts';
import { createQuestionVectors } from './adapters/question-vectors.ts';
import { keeperOptions, limitsOf, loadConfig } from './config.ts';
import { entities } from './db/entities.ts';
import { indexJob } from './jobs/index-document.ts';
import { vectorSteps } from './domain/vector-steps.ts';
import { createIndexKeeper } from './jobs/index-keeper.ts';
import { createMetrics } from './metrics.ts';
import type { Deps } from './ports.ts';
import { routes } from './rpc/routes.ts';
import { tenantWorkHandlers } from './tenant-work/handlers.ts';

const service = 'retrieval';

await runUntilSignal(async () => {
  const config = loadConfig(process.env);
  const kit = createServiceKit(service, config);
  const { telemetry } = kit;

  // Peers.
  const peers = await kit.peers();
  const signatures = createJobSignatures({
    identity: peers.identity,
    serviceJwksFile: config.WARDSTONE_SERVICE_JWKS_FILE,
  });
  const tenantKey = peers.connect(TenantKeyService, 'tenant-key', config.WARDSTONE_TENANT_KEY_URL);
  const tenantWork = peers.connect(TenantWorkService, 'tenant-key', config.WARDSTONE_TENANT_KEY_URL);
  const embedding = peers.connect(EmbeddingService, 'embedding', config.WARDSTONE_EMBEDDING_URL);
  const auditor = createAuditor(peers.connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL));
  const ingestionUrl = config.WARDSTONE_INGESTION_URL;
  const progress = createProgressReporter({
    client: ingestionUrl === undefined ? undefined : peers.connect(IngestionService, 'ingestion', ingestionUrl),
    state: DocumentState.INDEXING,
    principalOf: (tenantId) => systemPrincipal(service, tenantId),
    log: telemetry.log,
  });

  // Data.
  const database = await openDatabase({
    url: config.WARDSTONE_DATABASE_URL,
    schema: service,
    entities,
    poolSize: config.WARDSTONE_DATABASE_POOL_SIZE,
    applicationName: service,
  });
  const keys = createRemoteKeyRing(tenantKey, service);
  const gate = createTenantGate({ client: tenantWork, service, keys, log: telemetry.log });
  const objects = createSealedObjects({ store: openObjectStore(config), keys });
  const metrics = createMetrics(telemetry.metrics);
  const models = { vectors: createQuestionVectors(embedding), passages: createPassageVectors(embedding) };
  const limits = limitsOf(config);
  const steps = { vectorSteps: vectorSteps(config.WARDSTONE_VECTOR_INDEX_MIN_CHUNKS) };
  const data = { database, keys, objects, ...models, ...steps };
  const deps: Deps = { ...data, auditor, progress, metrics, limits, log: telemetry.log };

  // Work.
  const worker = await createStageWorker({
    backend: config.queueBackend,
    telemetry,
    signatures,
    stage: 'index',
    concurrency: config.WARDSTONE_INDEX_CONCURRENCY,
    handle: indexJob(deps),
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  });
  const keeper = createIndexKeeper(deps, keeperOptions(config));
  keeper.start();
  const tenantWorker = createTenantWorker({
    client: tenantWork,
    service,
    database,
    handlers: tenantWorkHandlers(deps),
    telemetry,
    intervalMs: config.WARDSTONE_TENANT_WORK_INTERVAL_MS,
  });
  tenantWorker.start();

  const server = await kit.serve({
    routes: routes(deps),
    onDenied: kit.recordDenials(auditor),
    gate,
    // Searches do not touch the object store, and the queue does not touch searches.
    dependencies: { database: () => database.check() },
  });
  return [server, worker, tenantWorker, keeper, gate, keys, database, kit];
});
