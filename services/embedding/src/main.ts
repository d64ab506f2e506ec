/** Embedding: the composition root. Texts become vectors; nothing is kept. */
import {
  createAccessTokenVerifier,
  createAuditor,
  createCallerCheck,
  createDenialRecorder,
  createJobSignatures,
  createPolicy,
  createServiceIdentity,
} from '@wardstone/access';
import { createRemoteKeyRing } from '@wardstone/crypto';
import { createStageWorker } from '@wardstone/queue';
import { createServiceClient, runUntilSignal, startServer } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createFileStore, createSealedObjects } from '@wardstone/storage';
import { createTelemetry, requestContext } from '@wardstone/telemetry';
import { measuredModel } from './adapters/measured-model.ts';
import { createProgressReporter, noProgress } from './adapters/progress.ts';
import { loadConfig } from './config.ts';
import { createLexicalEmbedder } from './domain/lexical-embedder.ts';
import { embedJob } from './jobs/embed.ts';
import { createMetrics } from './metrics.ts';
import type { Deps } from './ports.ts';
import { routes } from './rpc/routes.ts';

const service = 'embedding';

await runUntilSignal(async () => {
  const config = loadConfig(process.env);
  const telemetry = createTelemetry({
    service,
    version: '0.1.0',
    logLevel: config.WARDSTONE_LOG_LEVEL,
    otlpUrl: config.WARDSTONE_OTLP_URL,
  });

  // Peers.
  const identity = await createServiceIdentity({ service, privateJwkFile: config.WARDSTONE_SERVICE_KEY_FILE });
  const signatures = createJobSignatures({ identity, serviceJwksFile: config.WARDSTONE_SERVICE_JWKS_FILE });
  const peer = (baseUrl: string, audience: string) => ({
    baseUrl,
    audience,
    authorize: identity.authorize(audience),
    telemetry,
  });
  const tenantKey = createServiceClient(TenantKeyService, peer(config.WARDSTONE_TENANT_KEY_URL, 'tenant-key'));
  const auditor = createAuditor(createServiceClient(AuditService, peer(config.WARDSTONE_AUDIT_URL, 'audit')));
  const ingestionUrl = config.WARDSTONE_INGESTION_URL;
  const progress =
    ingestionUrl === undefined
      ? noProgress
      : createProgressReporter(createServiceClient(IngestionService, peer(ingestionUrl, 'ingestion')), telemetry.log);

  // Data and model.
  const keys = createRemoteKeyRing(tenantKey, service);
  const objects = createSealedObjects({ store: createFileStore({ dir: config.WARDSTONE_OBJECTS_DIR }), keys });
  const metrics = createMetrics(telemetry.metrics);
  const model = measuredModel(createLexicalEmbedder(), metrics);
  telemetry.log.warn({ model: model.id }, 'the embedded lexical model is in use: it matches words, not meanings');
  const limits = { batchTexts: config.WARDSTONE_EMBED_BATCH_TEXTS, maxCalls: config.WARDSTONE_EMBED_MAX_CALLS };
  const deps: Deps = { model, objects, auditor, progress, metrics, limits };

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

  const server = await startServer({
    service,
    telemetry,
    host: config.WARDSTONE_HOST,
    port: config.WARDSTONE_PORT,
    routes: routes(deps),
    callerCheck: createCallerCheck({
      service,
      serviceJwksFile: config.WARDSTONE_SERVICE_JWKS_FILE,
      verifyAccessToken: createAccessTokenVerifier({
        issuer: config.WARDSTONE_OIDC_ISSUER,
        audience: config.WARDSTONE_OIDC_AUDIENCE,
        jwksUri: config.WARDSTONE_OIDC_JWKS_URI,
      }),
      policy: await createPolicy(),
      onDenied: createDenialRecorder({
        auditor,
        requestId: () => requestContext.get()?.requestId ?? 'unknown',
        logFailure: (err, { method, reason }) => telemetry.log.error({ err, method, reason }, 'denial not recorded'),
      }),
    }),
    // Queries are embedded without it, documents are not.
    dependencies: { objects: () => objects.check() },
    reflection: config.WARDSTONE_REFLECTION,
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  });
  const wipeKeys = { close: async () => Promise.resolve(keys.clear()) };
  return [server, worker, wipeKeys, { close: () => telemetry.shutdown() }];
});
