/** Embedding: the composition root. Texts become vectors; nothing is kept but sealed. */
import { createAuditor, createJobSignatures, createServiceKit, systemPrincipal } from '@wardstone/access';
import { createRemoteKeyRing } from '@wardstone/crypto';
import { createProgressReporter, createStageWorker } from '@wardstone/queue';
import { runUntilSignal } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { DocumentState, IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { createSealedObjects, openObjectStore } from '@wardstone/storage';
import { createTenantGate } from '@wardstone/tenancy';
import { openModels } from './adapters/open-models.ts';
import { openVectorCache } from './adapters/open-vector-cache.ts';
import { loadConfig } from './config.ts';
import { embedJob } from './jobs/embed.ts';
import { createMetrics } from './metrics.ts';
import type { Deps } from './ports.ts';
import { routes } from './rpc/routes.ts';

const service = 'embedding';

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
  const auditor = createAuditor(peers.connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL));
  const ingestionUrl = config.WARDSTONE_INGESTION_URL;
  const progress = createProgressReporter({
    client: ingestionUrl === undefined ? undefined : peers.connect(IngestionService, 'ingestion', ingestionUrl),
    state: DocumentState.EMBEDDING,
    principalOf: (tenantId) => systemPrincipal(service, tenantId),
    log: telemetry.log,
  });

  // Data and model.
  const keys = createRemoteKeyRing(tenantKey, service);
  const metrics = createMetrics(telemetry.metrics);
  const cache = openVectorCache(config.vectorCache, { keys, metrics, log: telemetry.log });
  const onLeaving = cache.remove;
  const gate = createTenantGate({ client: tenantWork, service, keys, onLeaving, log: telemetry.log });
  const objects = createSealedObjects({ store: openObjectStore(config), keys });
  const models = openModels(config, metrics, telemetry.log);
  const limits = {
    batchTexts: config.WARDSTONE_EMBED_BATCH_TEXTS,
    maxCalls: config.WARDSTONE_EMBED_MAX_CALLS,
    maxRequests: config.WARDSTONE_EMBED_MAX_REQUESTS,
    tenantSlotPercent: config.WARDSTONE_TENANT_SLOT_PERCENT,
  };
  const deps: Deps = { models, cache, objects, auditor, progress, metrics, limits };

  // Work.
  const worker = await createStageWorker({
    backend: config.queueBackend,
    telemetry,
    signatures,
    stage: 'embed',
    concurrency: config.WARDSTONE_EMBED_CONCURRENCY,
    handle: embedJob(deps),
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  });

  const server = await kit.serve({
    routes: routes(deps),
    onDenied: kit.recordDenials(auditor),
    gate,
    // Queries are embedded without it, documents are not.
    dependencies: { objects: () => objects.check() },
  });
  return [server, worker, models, gate, cache, keys, kit];
});
