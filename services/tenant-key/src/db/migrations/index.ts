import type { MigrationClass } from '@wardstone/db';
import { Tenants1763800000000 } from './1763800000000-tenants.ts';
import { TenantLifecycle1795500000000 } from './1795500000000-tenant-lifecycle.ts';
import { CancellingOffboarding1795800000000 } from './1795800000000-cancelling-offboarding.ts';
import { WorkInTurns1795810000000 } from './1795810000000-work-in-turns.ts';
import { LeasesByPeer1795820000000 } from './1795820000000-leases-by-peer.ts';

/** All migrations, oldest first. */
export const migrations: readonly MigrationClass[] = [
  Tenants1763800000000,
  TenantLifecycle1795500000000,
  CancellingOffboarding1795800000000,
  WorkInTurns1795810000000,
  LeasesByPeer1795820000000,
];
