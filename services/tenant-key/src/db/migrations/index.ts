import type { MigrationClass } from '@wardstone/db';
import { Tenants1763800000000 } from './1763800000000-tenants.ts';
import { TenantLifecycle1795500000000 } from './1795500000000-tenant-lifecycle.ts';

/** All migrations, oldest first. */
export const migrations: readonly MigrationClass[] = [Tenants1763800000000, TenantLifecycle1795500000000];
