import { createAuditor, createServiceKit } from '@wardstone/access';
import { openDatabase } from '@wardstone/db';
import type { Closable } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
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
  const kit = createServiceKit(service, config);
  const { telemetry } = kit;

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

  const peers = await kit.peers();
  const auditor = createAuditor(peers.connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL));

  const server = await kit.serve({
    routes: routes({ tenants, kms, keys, auditor, metrics: createMetrics(telemetry.metrics), keyMaxAgeMs }),
    onDenied: kit.recordDenials(auditor),
    dependencies: { database: () => database.check(), kms: () => kms.check() },
  });
  return { url: server.url, parts: [server, keys, database, kit] };
}
