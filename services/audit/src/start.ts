import { createServiceKit } from '@wardstone/access';
import { openDatabase } from '@wardstone/db';
import type { Closable } from '@wardstone/rpc';
import { requestContext } from '@wardstone/telemetry';
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
  const kit = createServiceKit(service, config);
  const { telemetry } = kit;
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

  const server = await kit.serve({
    routes: routes({ log, metrics }),
    // Its own denials go straight into its log.
    onDenied: recordDenials({
      log,
      requestId: () => requestContext.get()?.requestId ?? '',
      onFailure: (error, method) => telemetry.log.error({ err: error, method }, 'a denial was not recorded'),
    }),
    dependencies: { database: () => database.check() },
  });
  return { url: server.url, parts: [server, database, kit] };
}
