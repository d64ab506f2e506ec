import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileStore } from '../src/index.ts';
import { objectStoreContract } from './object-store.contract.ts';

objectStoreContract('files', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'wardstone-objects-'));
  return { store: createFileStore({ dir }), close: () => rm(dir, { recursive: true, force: true }) };
});
