/** The migrations of schema `retrieval`, oldest first. A migration that ran anywhere is never changed. */
import type { MigrationClass } from '@wardstone/db';
import { CreateChunk1795310000000 } from './1795310000000-create-chunk.ts';
import { AddVectorKeyVersion1795400000000 } from './1795400000000-add-vector-key-version.ts';
import { AddEncryptedIndex1795600000000 } from './1795600000000-add-encrypted-index.ts';
import { AddTermsVersionIndex1795710000000 } from './1795710000000-add-terms-version-index.ts';
import { AddVectorIndex1796200000000 } from './1796200000000-add-vector-index.ts';
import { AddChunkVector1796300000000 } from './1796300000000-add-chunk-vector.ts';

export const migrations: readonly MigrationClass[] = [
  CreateChunk1795310000000,
  AddVectorKeyVersion1795400000000,
  AddEncryptedIndex1795600000000,
  AddTermsVersionIndex1795710000000,
  AddVectorIndex1796200000000,
  AddChunkVector1796300000000,
];
