import type { MigrationClass } from '@wardstone/db';
import { Tenants1763800000000 } from './1763800000000-tenants.ts';

/** All migrations, oldest first. */
export const migrations: readonly MigrationClass[] = [Tenants1763800000000];
