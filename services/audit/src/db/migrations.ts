import type { MigrationClass } from '@wardstone/db';
import { CreateAuditEvent1795200000000 } from './1795200000000-create-audit-event.ts';
import { ListChains1795200000001 } from './1795200000001-list-chains.ts';

/** In the order in which they run. */
export const migrations: readonly MigrationClass[] = [CreateAuditEvent1795200000000, ListChains1795200000001];
