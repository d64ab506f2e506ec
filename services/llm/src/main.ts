/** Llm: the composition root. Questions become answers that cite the tenant's documents; nothing is kept. */
import { createAuditor, createServiceKit } from '@wardstone/access';
import { peerHealth, runUntilSignal } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { loadConfig } from './config.ts';
import { asRetrieved } from './domain/as-retrieved.ts';
import { createExtractiveAnswerer, extractiveCard } from './domain/extractive-answerer.ts';
import { createModels } from './domain/installed-models.ts';
import { noConversations, unmetered } from './domain/without-store.ts';
import { createMetrics } from './metrics.ts';
import type { AnswerSettings, Deps } from './ports.ts';
import { routes } from './rpc/routes.ts';

const service = 'llm';

await runUntilSignal(async () => {
  const config = loadConfig(process.env);
  const kit = createServiceKit(service, config);
  const { telemetry } = kit;

  // Peers.
  const peers = await kit.peers();
  const retrieval = peers.connect(RetrievalService, 'retrieval', config.WARDSTONE_RETRIEVAL_URL);
  const auditor = createAuditor(peers.connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL));

  // Model.
  const model = createExtractiveAnswerer();
  telemetry.log.warn({ model: model.id }, 'the embedded extractive model is in use: it quotes, it does not reason');
  const settings: AnswerSettings = {
    model: 'quality',
    citationPolicy: config.WARDSTONE_LLM_CITATION_POLICY,
    completionsEnabled: false,
    monthlyBudgetMicroUsd: undefined,
  };
  const deps: Deps = {
    models: createModels([{ card: extractiveCard, model }]),
    settings: { of: () => Promise.resolve(settings) },
    ledger: unmetered(),
    conversations: noConversations(),
    reranker: asRetrieved(),
    retrieval,
    auditor,
    metrics: createMetrics(telemetry.metrics),
    limits: {
      maxAnswers: config.WARDSTONE_LLM_MAX_ANSWERS,
      tenantSlotPercent: config.WARDSTONE_TENANT_SLOT_PERCENT,
    },
  };

  const server = await kit.serve({
    routes: routes(deps),
    onDenied: kit.recordDenials(auditor),
    // Without retrieval there is nothing to answer from.
    dependencies: { retrieval: peerHealth(config.WARDSTONE_RETRIEVAL_URL) },
  });
  return [server, kit];
});
