/** Llm: the composition root. Questions become answers that cite the tenant's documents; nothing is kept. */
import {
  createAccessTokenVerifier,
  createAuditor,
  createCallerCheck,
  createDenialRecorder,
  createPolicy,
  createServiceIdentity,
} from '@wardstone/access';
import { createServiceClient, peerHealth, runUntilSignal, startServer } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { createTelemetry, requestContext } from '@wardstone/telemetry';
import { loadConfig } from './config.ts';
import { createExtractiveAnswerer } from './domain/extractive-answerer.ts';
import { createMetrics } from './metrics.ts';
import type { Deps } from './ports.ts';
import { routes } from './rpc/routes.ts';

const service = 'llm';

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
  const peer = (baseUrl: string, audience: string) => ({
    baseUrl,
    audience,
    authorize: identity.authorize(audience),
    telemetry,
  });
  const retrieval = createServiceClient(RetrievalService, peer(config.WARDSTONE_RETRIEVAL_URL, 'retrieval'));
  const auditor = createAuditor(createServiceClient(AuditService, peer(config.WARDSTONE_AUDIT_URL, 'audit')));

  // Model.
  const model = createExtractiveAnswerer();
  telemetry.log.warn({ model: model.id }, 'the embedded extractive model is in use: it quotes, it does not reason');
  const deps: Deps = {
    model,
    retrieval,
    auditor,
    metrics: createMetrics(telemetry.metrics),
    limits: {
      maxAnswers: config.WARDSTONE_LLM_MAX_ANSWERS,
      tenantSlotPercent: config.WARDSTONE_TENANT_SLOT_PERCENT,
    },
  };

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
    // Without retrieval there is nothing to answer from.
    dependencies: { retrieval: peerHealth(config.WARDSTONE_RETRIEVAL_URL) },
    reflection: config.WARDSTONE_REFLECTION,
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  });
  return [server, { close: () => telemetry.shutdown() }];
});
