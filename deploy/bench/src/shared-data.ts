import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { repositoryDir } from '@wardstone/local/platform/layout';

/** Public collections that may lie beside the repository. */
export const sharedDataDir = path.resolve(repositoryDir, '../shared/data');

/** Names of the files in a folder of the collections, sorted; empty when it is absent. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  return readdir(path.join(sharedDataDir, folder)).then(
    (names) => names.sort(),
    () => [],
  );
}
