/** Ingestion: the composition root. Documents come in, are read and cut, and go out again. */
import { createAuditor, createJobSignatures, createServiceKit } from '@wardstone/access';
import { createRemoteKeyRing } from '@wardstone/crypto';
import { openDatabase } from '@wardstone/db';
import { createQueue, createStageWorker } from '@wardstone/queue';
import { createStreamMemory, runUntilSignal } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { createSealedObjects, openObjectStore } from '@wardstone/storage';
import { createTenantGate, createTenantWorker } from '@wardstone/tenancy';
import { listenForChanges } from './adapters/document-changes.ts';
import { createDocumentIndex } from './adapters/document-index.ts';
import { createTenantSettings } from './adapters/tenant-settings.ts';
import { databaseOptions, extractionLimits, limitsOf, loadConfig, reconcilerOptions } from './config.ts';
import { createExtractionPool } from './extraction/pool.ts';
import { extractJob } from './jobs/extract.ts';
import { publishJob } from './jobs/publish.ts';
import { createReconciler } from './jobs/reconciler.ts';
import { createMetrics } from './metrics.ts';
import type { Deps } from './ports.ts';
import { routes } from './rpc/routes.ts';
import { purgeStep } from './tenant-work/purge.ts';
import { resealStep } from './tenant-work/reseal.ts';

const service = 'ingestion';

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
  const retrieval = peers.connect(RetrievalService, 'retrieval', config.WARDSTONE_RETRIEVAL_URL);
  const auditor = createAuditor(peers.connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL));

  // Data.
  const database = await openDatabase(databaseOptions(config));
  const changes = await listenForChanges(database);
  const keys = createRemoteKeyRing(tenantKey, service);
  const gate = createTenantGate({ client: tenantWork, service, keys, log: telemetry.log });
  const objects = createSealedObjects({ store: openObjectStore(config), keys });
  const queue = await createQueue({ backend: config.queueBackend, telemetry, signatures });
  const pool = createExtractionPool(extractionLimits(config));
  const metrics = createMetrics(telemetry.metrics);
  metrics.observePool(pool);

  const deps: Deps = {
    database,
    keys,
    gate,
    objects,
    queue,
    auditor,
    changes,
    settings: createTenantSettings(tenantKey),
    index: createDocumentIndex(retrieval),
    pool,
    streamMemory: createStreamMemory(),
    metrics,
    limits: limitsOf(config),
    log: telemetry.log,
  };

  // Work.
  const drainTimeoutMs = config.WARDSTONE_DRAIN_TIMEOUT_MS;
  const worker = { backend: config.queueBackend, telemetry, signatures, drainTimeoutMs };
  const extract = { concurrency: config.extractWindow, handle: extractJob(deps) };
  const workers = await Promise.all([
    createStageWorker({ ...worker, ...extract, stage: 'extract' }),
    createStageWorker({ ...worker, stage: 'publish', concurrency: 8, handle: publishJob(deps) }),
  ]);
  const reconciler = createReconciler(deps, reconcilerOptions(config));
  reconciler.start();
  const tenantWorker = createTenantWorker({
    client: tenantWork,
    service,
    database,
    telemetry,
    handlers: { reseal: resealStep(deps), purge: purgeStep(deps) },
    intervalMs: config.WARDSTONE_TENANT_WORK_INTERVAL_MS,
  });
  tenantWorker.start();

  const server = await kit.serve({
    routes: routes(deps),
    gate,
    onDenied: kit.recordDenials(auditor),
    // A queue that is away does not stop this service from taking documents in: it is no part of its health.
    dependencies: { database: () => database.check(), objects: () => objects.check() },
  });
  return [server, tenantWorker, reconciler, ...workers, pool, queue, changes, gate, keys, database, kit];
});
