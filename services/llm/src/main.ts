/** Llm: the composition root. Questions become answers that cite the tenant's documents; conversations are kept sealed. */
import { createAuditor, createServiceKit } from '@wardstone/access';
import { createRemoteKeyRing } from '@wardstone/crypto';
import { openDatabase } from '@wardstone/db';
import { peerHealth, runUntilSignal } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { createTenantGate, createTenantWorker } from '@wardstone/tenancy';
import { createSettingsSource } from './adapters/answer-settings.ts';
import { createConversations } from './adapters/conversations.ts';
import { createUsageLedger } from './adapters/usage-ledger.ts';
import { loadConfig, retentionOf, windowOf } from './config.ts';
import { entities } from './db/entities.ts';
import { defaultSettings } from './domain/answer-settings.ts';
import { installModels } from './install-models.ts';
import { createHistoryKeeper } from './jobs/history-keeper.ts';
import { createHistoryMetrics, createMetrics, createUsageMetrics } from './metrics.ts';
import { createModelMetrics } from './model-metrics.ts';
import type { ConversationDeps, Deps } from './ports.ts';
import { routes, storeRoutes } from './rpc/routes.ts';
import { purgeStep } from './tenant-work/purge.ts';
import { resealStep } from './tenant-work/reseal.ts';

const service = 'llm';

await runUntilSignal(async () => {
  const config = loadConfig(process.env);
  const kit = createServiceKit(service, config);
  const { telemetry } = kit;
  const { log } = telemetry;

  // Peers.
  const peers = await kit.peers();
  const retrieval = peers.connect(RetrievalService, 'retrieval', config.WARDSTONE_RETRIEVAL_URL);
  const tenantKey = peers.connect(TenantKeyService, 'tenant-key', config.WARDSTONE_TENANT_KEY_URL);
  const tenantWork = peers.connect(TenantWorkService, 'tenant-key', config.WARDSTONE_TENANT_KEY_URL);
  const auditor = createAuditor(peers.connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL));

  // Data.
  const database = await openDatabase({
    url: config.WARDSTONE_DATABASE_URL,
    schema: service,
    entities,
    poolSize: config.WARDSTONE_DATABASE_POOL_SIZE,
    applicationName: service,
  });
  const keys = createRemoteKeyRing(tenantKey, service);
  const gate = createTenantGate({ client: tenantWork, service, keys, log });
  const settings = createSettingsSource(database, defaultSettings(config.WARDSTONE_LLM_CITATION_POLICY));
  const conversationDeps: ConversationDeps = {
    ...{ database, keys, auditor, log },
    metrics: createHistoryMetrics(telemetry.metrics),
    retention: retentionOf(config),
    window: windowOf(config),
  };

  // Models.
  const installed = installModels({
    config,
    maxAnswers: config.WARDSTONE_LLM_MAX_ANSWERS,
    metrics: createModelMetrics(telemetry.metrics),
    log,
  });
  const { models, reranker } = installed;
  const deps: Deps = {
    models,
    settings,
    ledger: createUsageLedger({ database, metrics: createUsageMetrics(telemetry.metrics), log }),
    conversations: createConversations(conversationDeps),
    reranker,
    retrieval,
    auditor,
    log,
    metrics: createMetrics(telemetry.metrics),
    limits: {
      maxAnswers: config.WARDSTONE_LLM_MAX_ANSWERS,
      tenantSlotPercent: config.WARDSTONE_TENANT_SLOT_PERCENT,
    },
  };

  // Work.
  const keeper = createHistoryKeeper(conversationDeps);
  keeper.start();
  const tenantWorker = createTenantWorker({
    client: tenantWork,
    service,
    database,
    telemetry,
    handlers: { reseal: resealStep(conversationDeps), purge: purgeStep(conversationDeps) },
    intervalMs: config.WARDSTONE_TENANT_WORK_INTERVAL_MS,
  });
  tenantWorker.start();

  const store = storeRoutes({ database, auditor, log, models, settings }, conversationDeps, deps.limits);
  const server = await kit.serve({
    routes: (router) => {
      routes(deps)(router);
      store(router);
    },
    onDenied: kit.recordDenials(auditor),
    gate,
    // Without retrieval there is nothing to answer from, and without a model nobody who answers.
    dependencies: {
      database: () => database.check(),
      retrieval: peerHealth(config.WARDSTONE_RETRIEVAL_URL),
      ...installed.dependencies,
    },
  });
  return [server, installed, tenantWorker, keeper, gate, keys, database, kit];
});
