/** The migrations of schema `llm`, oldest first. A migration that ran anywhere is never changed. */
import type { MigrationClass } from '@wardstone/db';
import { CreateHistory1795800000000 } from './1795800000000-create-history.ts';

export const migrations: readonly MigrationClass[] = [CreateHistory1795800000000];
