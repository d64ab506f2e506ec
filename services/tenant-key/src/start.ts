import {
  createAccessTokenVerifier,
  createAuditor,
  createCallerCheck,
  createDenialRecorder,
  createPolicy,
  createServiceIdentity,
} from '@wardstone/access';
import { openDatabase } from '@wardstone/db';
import { createServiceClient, startServer, type Closable } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { createTelemetry, requestContext } from '@wardstone/telemetry';
import { createPostgresTenants } from './adapters/postgres-tenants.ts';
import { openSoftwareKms } from './adapters/software-kms.ts';
import type { Config } from './config.ts';
import { dataKeyEntity, tenantEntity } from './db/entities.ts';
import { createKeyIssuer } from './key-issuer.ts';
import { createMetrics } from './metrics.ts';
import { routes } from './routes.ts';

const service = 'tenant-key';

/** A running tenant-key. `parts` are to be closed in their order. */
export interface Running {
  readonly url: string;
  readonly parts: Closable[];
}

/** Puts the service together: telemetry, resources, access, handlers, server. */
export async function start(config: Config): Promise<Running> {
  const telemetry = createTelemetry({
    service,
    version: '0.1.0',
    logLevel: config.WARDSTONE_LOG_LEVEL,
    otlpUrl: config.WARDSTONE_OTLP_URL,
  });

  const database = await openDatabase({
    url: config.WARDSTONE_DATABASE_URL,
    schema: 'tenant_key',
    entities: [tenantEntity, dataKeyEntity],
    applicationName: service,
  });
  const kms = await openSoftwareKms({ dir: config.WARDSTONE_KMS_DIR });
  telemetry.log.warn('the embedded software KMS is in use: its keys are files, for development only');
  const tenants = createPostgresTenants(database);
  const keyMaxAgeMs = config.WARDSTONE_KEY_MAX_AGE_MS;
  const keys = createKeyIssuer({ store: tenants, kms, maxAgeMs: keyMaxAgeMs });

  const identity = await createServiceIdentity({ service, privateJwkFile: config.WARDSTONE_SERVICE_KEY_FILE });
  const audit = createServiceClient(AuditService, {
    baseUrl: config.WARDSTONE_AUDIT_URL,
    audience: 'audit',
    authorize: identity.authorize('audit'),
    telemetry,
  });
  const auditor = createAuditor(audit);
  const callerCheck = createCallerCheck({
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
      requestId: () => requestContext.get()?.requestId ?? '',
      logFailure: (error, { method }) => {
        telemetry.log.error({ err: error, method }, 'a denial was not recorded');
      },
    }),
  });

  const server = await startServer({
    service,
    telemetry,
    host: config.WARDSTONE_HOST,
    port: config.WARDSTONE_PORT,
    routes: routes({ tenants, kms, keys, auditor, metrics: createMetrics(telemetry.metrics), keyMaxAgeMs }),
    callerCheck,
    dependencies: { database: () => database.check(), kms: () => kms.check() },
    reflection: config.WARDSTONE_REFLECTION,
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  });
  const wipeKeys: Closable = {
    close: () => {
      keys.clear();
      return Promise.resolve();
    },
  };
  const closeTelemetry: Closable = { close: () => telemetry.shutdown() };
  return { url: server.url, parts: [server, wipeKeys, database, closeTelemetry] };
}
