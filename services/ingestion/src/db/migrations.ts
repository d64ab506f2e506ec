/** The migrations of schema `ingestion`, oldest first. A migration that ran anywhere is never changed. */
import type { MigrationClass } from '@wardstone/db';
import { CreateDocument1795300000000 } from './1795300000000-create-document.ts';

export const migrations: readonly MigrationClass[] = [CreateDocument1795300000000];
