import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageFolders } from '../src/extraction/package-folders.ts';

describe('the folders of a package', () => {
  let root: string;
  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'wardstone-packages-')));
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function install(folder: string, manifest: Record<string, unknown>): Promise<string> {
    const path = join(root, folder);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'package.json'), JSON.stringify(manifest));
    return path;
  }

  it('are its own and those of all that it needs, by their links and their real names', async () => {
    const used = await install('store/used/node_modules/used', {
      dependencies: { '@scope/next': '1' },
      peerDependencies: { missing: '1' },
    });
    const next = await install('store/next/node_modules/@scope/next', { dependencies: { used: '1' } });
    const other = await install('app/node_modules/other', {});
    await mkdir(join(root, 'store/used/node_modules/@scope'));
    const nextLink = join(root, 'store/used/node_modules/@scope/next');
    await symlink(next, nextLink);
    const backLink = join(root, 'store/next/node_modules/used');
    await symlink(used, backLink);
    const usedLink = join(root, 'app/node_modules/used');
    await symlink(used, usedLink);

    const folders = packageFolders('used', join(root, 'app/src/deep'));
    expect([...folders]).to.have.members([usedLink, used, nextLink, next, backLink]);
    expect(folders).not.to.include(other);
  });

  it('cannot be told of a package that is not installed', () => {
    expect(() => packageFolders('no-such-package', root)).to.throw('no-such-package is not installed');
  });
});
