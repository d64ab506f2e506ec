import { type Peers, createAuditor, createPolicy, createProgramKit } from '@wardstone/access';
import { type Closable, peerHealth, runUntilSignal } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { type Config, limitsOf, loadConfig } from './config.ts';
import type { Services } from './deps.ts';
import { createGateway } from './gateway.ts';
import { startMetricsServer } from './metrics-server.ts';

await runUntilSignal(start);

async function start(): Promise<Closable[]> {
  const config = loadConfig(process.env);
  const kit = createProgramKit('gateway', config);
  const { telemetry, verifyAccessToken } = kit;
  const peers = await kit.peers({ defaultTimeoutMs: config.WARDSTONE_CALL_TIMEOUT_MS });
  const services = servicesOf(config, peers);
  const gateway = await createGateway({
    telemetry,
    services,
    verifyAccessToken,
    policy: await createPolicy(),
    auditor: createAuditor(services.audit),
    peers: peersOf(config),
    limits: limitsOf(config),
    rateLimits: {
      windowMs: config.WARDSTONE_RATE_LIMIT_WINDOW_MS,
      maxRequests: config.WARDSTONE_RATE_LIMIT_REQUESTS,
      maxFailedSignIns: config.WARDSTONE_RATE_LIMIT_FAILED_SIGN_INS,
    },
    corsOrigins: config.WARDSTONE_CORS_ORIGINS,
    trustedProxies: config.WARDSTONE_TRUSTED_PROXIES,
    publicUrl: config.WARDSTONE_PUBLIC_URL,
  });
  const host = config.WARDSTONE_HOST;
  const metricsPort = config.WARDSTONE_METRICS_PORT;
  const metrics = metricsPort === undefined ? [] : [await startMetricsServer(telemetry, { host, port: metricsPort })];
  await gateway.app.listen({ host, port: config.WARDSTONE_PORT });
  const port = gateway.app.addresses().map((address) => (typeof address === 'string' ? 0 : address.port))[0];
  telemetry.log.info({ host, port }, 'listening');
  return [gateway, ...metrics, kit];
}

/** A client per service, each with the gateway's own identity and the user's principal inside its tokens. */
function servicesOf(config: Config, { connect }: Peers): Services {
  return {
    ingestion: connect(IngestionService, 'ingestion', config.WARDSTONE_INGESTION_URL),
    retrieval: connect(RetrievalService, 'retrieval', config.WARDSTONE_RETRIEVAL_URL),
    llm: connect(LlmService, 'llm', config.WARDSTONE_LLM_URL),
    answerSettings: connect(AnswerSettingsService, 'llm', config.WARDSTONE_LLM_URL),
    conversations: connect(ConversationService, 'llm', config.WARDSTONE_LLM_URL),
    tenantKey: connect(TenantKeyService, 'tenant-key', config.WARDSTONE_TENANT_KEY_URL),
    tenantLifecycle: connect(TenantLifecycleService, 'tenant-key', config.WARDSTONE_TENANT_KEY_URL),
    audit: connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL),
  };
}

function peersOf(config: Config): Readonly<Record<string, () => Promise<void>>> {
  return {
    ingestion: peerHealth(config.WARDSTONE_INGESTION_URL),
    retrieval: peerHealth(config.WARDSTONE_RETRIEVAL_URL),
    llm: peerHealth(config.WARDSTONE_LLM_URL),
    'tenant-key': peerHealth(config.WARDSTONE_TENANT_KEY_URL),
    audit: peerHealth(config.WARDSTONE_AUDIT_URL),
  };
}
