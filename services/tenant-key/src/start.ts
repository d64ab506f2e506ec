import { createAuditor, createServiceKit } from '@wardstone/access';
import { openDatabase } from '@wardstone/db';
import type { Closable } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { createAuditLog } from './adapters/audit-log.ts';
import { openKms } from './adapters/open-kms.ts';
import { createPostgresTenants } from './adapters/postgres-tenants.ts';
import { listenForTenants } from './adapters/tenant-changes.ts';
import type { Config } from './config.ts';
import { dataKeyEntity, tenantEntity } from './db/entities.ts';
import { keyRotationEntity, offboardingEntity, tenantWorkEntity } from './db/lifecycle-entities.ts';
import { createKeyIssuer } from './key-issuer.ts';
import { createLifecycleDriver } from './lifecycle/driver.ts';
import { createMetrics } from './metrics.ts';
import { routes } from './routes.ts';
import type { Deps } from './rpc/deps.ts';

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
    entities: [tenantEntity, dataKeyEntity, keyRotationEntity, offboardingEntity, tenantWorkEntity],
    applicationName: service,
  });
  const kms = await openKms(config.kms, telemetry.log);
  const tenants = createPostgresTenants(database);
  const keyMaxAgeMs = config.WARDSTONE_KEY_MAX_AGE_MS;
  const keys = createKeyIssuer({ store: tenants, kms, maxAgeMs: keyMaxAgeMs });

  const changes = await listenForTenants(database);
  // This process' own keys of a tenant that is closed go like everybody's.
  changes.subscribe({ onChange: (tenantId) => keys.forget(tenantId), onGap: () => keys.clear() });

  const peers = await kit.peers();
  const audit = peers.connect(AuditService, 'audit', config.WARDSTONE_AUDIT_URL);
  const auditor = createAuditor(audit);

  const deps: Deps = {
    database,
    tenants,
    kms,
    keys,
    auditor,
    auditLog: createAuditLog(audit),
    sign: (typ, says) => peers.identity.sign(typ, says),
    changes,
    metrics: createMetrics(telemetry.metrics),
    log: telemetry.log,
    keyMaxAgeMs,
    settleMarginMs: config.WARDSTONE_KEY_SETTLE_MARGIN_MS,
    rotationMinIntervalMs: config.WARDSTONE_ROTATION_MIN_INTERVAL_MS,
    now: () => new Date(),
  };
  const driver = createLifecycleDriver(deps, { intervalMs: config.WARDSTONE_LIFECYCLE_INTERVAL_MS });
  driver.start();

  const server = await kit.serve({
    routes: routes(deps),
    onDenied: kit.recordDenials(auditor),
    dependencies: { database: () => database.check(), kms: () => kms.check() },
  });
  return { url: server.url, parts: [server, driver, changes, keys, database, kit] };
}
