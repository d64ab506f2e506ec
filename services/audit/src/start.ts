import { createAccessTokenVerifier, createCallerCheck, createPolicy } from '@wardstone/access';
import { openDatabase } from '@wardstone/db';
import { startServer, type Closable } from '@wardstone/rpc';
import { createTelemetry, requestContext } from '@wardstone/telemetry';
import { createGroupCommit } from './adapters/group-commit.ts';
import { createPostgresLog } from './adapters/postgres-log.ts';
import type { Config } from './config.ts';
import { auditEventEntity } from './db/entities.ts';
import { createMetrics } from './metrics.ts';
import type { EventLog } from './ports.ts';
import { recordDenials } from './record-denials.ts';
import { routes } from './routes.ts';

const service = 'audit';

/** A running audit service. `parts` are to be closed in their order. */
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
  const metrics = createMetrics(telemetry.metrics);

  const database = await openDatabase({
    url: config.WARDSTONE_DATABASE_URL,
    schema: 'audit',
    entities: [auditEventEntity],
    applicationName: service,
  });
  const store = createPostgresLog(database);
  const commits = createGroupCommit({ store, onCommit: (appends) => metrics.appendsPerCommit.observe(appends) });
  const log: EventLog = { append: commits.append, list: store.list };

  const callerCheck = createCallerCheck({
    service,
    serviceJwksFile: config.WARDSTONE_SERVICE_JWKS_FILE,
    verifyAccessToken: createAccessTokenVerifier({
      issuer: config.WARDSTONE_OIDC_ISSUER,
      audience: config.WARDSTONE_OIDC_AUDIENCE,
      jwksUri: config.WARDSTONE_OIDC_JWKS_URI,
    }),
    policy: await createPolicy(),
    onDenied: recordDenials({
      log,
      requestId: () => requestContext.get()?.requestId ?? '',
      onFailure: (error, method) => telemetry.log.error({ err: error, method }, 'a denial was not recorded'),
    }),
  });

  const server = await startServer({
    service,
    telemetry,
    host: config.WARDSTONE_HOST,
    port: config.WARDSTONE_PORT,
    routes: routes({ log, metrics }),
    callerCheck,
    dependencies: { database: () => database.check() },
    reflection: config.WARDSTONE_REFLECTION,
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  });
  const closeTelemetry: Closable = { close: () => telemetry.shutdown() };
  return { url: server.url, parts: [server, database, closeTelemetry] };
}
