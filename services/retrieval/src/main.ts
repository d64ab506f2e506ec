/** Retrieval: the composition root. The sealed index of each tenant, written by a stage and read by searches. */
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
import { openDatabase } from '@wardstone/db';
import { createStageWorker } from '@wardstone/queue';
import { createServiceClient, runUntilSignal, startServer } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { EmbeddingService } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createFileStore, createSealedObjects } from '@wardstone/storage';
import { createTelemetry, requestContext } from '@wardstone/telemetry';
import { createProgressReporter, noProgress } from './adapters/progress.ts';
import { createQuestionVectors } from './adapters/question-vectors.ts';
import { loadConfig } from './config.ts';
import { entities } from './db/entities.ts';
import { indexJob } from './jobs/index-document.ts';
import { createMetrics } from './metrics.ts';
import type { Deps } from './ports.ts';
import { routes } from './rpc/routes.ts';

const service = 'retrieval';

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
  const embedding = createServiceClient(EmbeddingService, peer(config.WARDSTONE_EMBEDDING_URL, 'embedding'));
  const auditor = createAuditor(createServiceClient(AuditService, peer(config.WARDSTONE_AUDIT_URL, 'audit')));
  const ingestionUrl = config.WARDSTONE_INGESTION_URL;
  const progress =
    ingestionUrl === undefined
      ? noProgress
      : createProgressReporter(createServiceClient(IngestionService, peer(ingestionUrl, 'ingestion')), telemetry.log);

  // Data.
  const database = await openDatabase({
    url: config.WARDSTONE_DATABASE_URL,
    schema: service,
    entities,
    poolSize: config.WARDSTONE_DATABASE_POOL_SIZE,
    applicationName: service,
  });
  const keys = createRemoteKeyRing(tenantKey, service);
  const objects = createSealedObjects({ store: createFileStore({ dir: config.WARDSTONE_OBJECTS_DIR }), keys });
  const metrics = createMetrics(telemetry.metrics);
  const vectors = createQuestionVectors(embedding);
  const deps: Deps = { database, keys, objects, vectors, auditor, progress, metrics };

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
    // Searches do not touch the object store, and the queue does not touch searches.
    dependencies: { database: () => database.check() },
    reflection: config.WARDSTONE_REFLECTION,
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  });
  const wipeKeys = { close: async () => Promise.resolve(keys.clear()) };
  return [server, worker, wipeKeys, database, { close: () => telemetry.shutdown() }];
});
