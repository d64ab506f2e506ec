/** The migrations of schema `ingestion`, oldest first. A migration that ran anywhere is never changed. */
import type { MigrationClass } from '@wardstone/db';
import { CreateDocument1795300000000 } from './1795300000000-create-document.ts';
import { LabelDocuments1795700000000 } from './1795700000000-label-documents.ts';
import { TrackKeyVersions1795710000000 } from './1795710000000-track-key-versions.ts';

export const migrations: readonly MigrationClass[] = [
  CreateDocument1795300000000,
  LabelDocuments1795700000000,
  TrackKeyVersions1795710000000,
];
