import type { ServiceImpl } from '@connectrpc/connect';
import type { Auditor } from '@wardstone/access';
import type { KeyRing } from '@wardstone/crypto';
import type { Database } from '@wardstone/db';
import type { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import type { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import type { Logger } from '@wardstone/telemetry';
import type { Metrics } from '../metrics.ts';
import type { AuditLog, KeyManagementService, TenantChanges, TenantStore } from '../ports.ts';

/** What the handlers work with; each takes the part that it needs. */
export interface Deps {
  readonly database: Pick<Database, 'inTenant' | 'inPlatform'>;
  readonly tenants: TenantStore;
  readonly kms: KeyManagementService;
  /** Purpose keys by tenant and version. */
  readonly keys: Pick<KeyRing, 'version'>;
  readonly auditor: Auditor;
  readonly auditLog: AuditLog;
  /** Signs as this service: a compact JWS of a `typ`. */
  readonly sign: (typ: string, says: Readonly<Record<string, unknown>>) => Promise<string>;
  readonly changes: TenantChanges;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** How long a caller may keep a key. */
  readonly keyMaxAgeMs: number;
  /** How long beyond that an operation may take that began with the key. */
  readonly settleMarginMs: number;
  /** Between the beginnings of two rotations of a tenant that somebody asked for. */
  readonly rotationMinIntervalMs: number;
  /** The clock by which deletions fall due. */
  readonly now: () => Date;
}

/** Implementations of the services' methods. */
export type Handlers = Required<ServiceImpl<typeof TenantKeyService>>;
export type LifecycleHandlers = Required<ServiceImpl<typeof TenantLifecycleService>>;
export type WorkHandlers = Required<ServiceImpl<typeof TenantWorkService>>;
