import type { Auditor } from '@wardstone/access';
import type { KeyRing } from '@wardstone/crypto';
import type { ServiceImpl } from '@connectrpc/connect';
import type { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { Metrics } from '../metrics.ts';
import type { KeyManagementService, TenantStore } from '../ports.ts';

/** What the handlers work with; each takes the part that it needs. */
export interface Deps {
  readonly tenants: TenantStore;
  readonly kms: KeyManagementService;
  /** Purpose keys by tenant and version. */
  readonly keys: Pick<KeyRing, 'version'>;
  readonly auditor: Auditor;
  readonly metrics: Metrics;
  /** How long a caller may keep a key. */
  readonly keyMaxAgeMs: number;
}

/** Implementations of the service's methods. */
export type Handlers = Required<ServiceImpl<typeof TenantKeyService>>;
