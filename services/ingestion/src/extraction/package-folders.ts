/** Where an installed package and everything that it depends on lie: what a process must read that loads it. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * Folders of the package and of its dependencies, by the names under which Node looks for them and by their real ones
 * (package managers link one to the other). Peers that are not installed are left out.
 * Thrown: Error when the package is not installed.
 *
 * @param from folder of the module that imports the package
 */
export function packageFolders(name: string, from: string): ReadonlySet<string> {
  const folders = new Set<string>();
  const visited = new Set<string>();
  const visit = (dependency: string, importer: string): boolean => {
    const link = findPackage(dependency, importer);
    if (link === undefined) return false;
    const folder = realpathSync(link);
    folders.add(link).add(folder);
    if (visited.has(folder)) return true;
    visited.add(folder);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    const needed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    for (const next of needed) visit(next, folder);
    return true;
  };
  if (!visit(name, from)) throw new Error(`${name} is not installed`);
  return folders;
}

/** Node's search: `node_modules` beside the importer, then beside each folder above it. */
function findPackage(name: string, importer: string): string | undefined {
  for (let folder = importer; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}
