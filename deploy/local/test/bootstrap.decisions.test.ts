import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

// Plain JavaScript, which runs under the host's Node before any package is installed; so its types are told here.
interface Bootstrap {
  readonly stepsOf: (command: string | undefined, args: string[]) => string[][] | undefined;
  readonly runsTypeScript: (version: string) => boolean;
  readonly chooseNode: (root: string, host: { execPath: string; version: string }) => Promise<string>;
  readonly needsInstall: (root: string) => boolean;
  readonly wantedMark: (root: string) => string;
  readonly wantsGitHook: (root: string, env: Record<string, string>) => boolean;
}
const load = async (name: string): Promise<Partial<Bootstrap>> =>
  (await import(`../bootstrap/${name}.mjs`)) as Partial<Bootstrap>;
const bootstrap = {
  ...(await load('commands')),
  ...(await load('choose-node')),
  ...(await load('install')),
} as Bootstrap;

describe('the bootstrap', () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'wardstone-bootstrap-'));
    await writeFile(path.join(root, 'pnpm-lock.yaml'), 'lockfileVersion: 9\n');
    await writeFile(path.join(root, 'pnpm-workspace.yaml'), 'packages: []\n');
    await mkdir(path.join(root, 'node_modules/.bin'), { recursive: true });
  });
  afterEach(async () => rm(root, { recursive: true }));

  it('knows its commands, and passes arguments on', () => {
    expect(bootstrap.stepsOf('test', ['libs/rpc', '--grep', 'x'])).to.deep.equal([
      ['node', 'deploy/local/src/commands/test.ts', 'libs/rpc', '--grep', 'x'],
    ]);
    expect(bootstrap.stepsOf('format', [])).to.deep.equal([['prettier', '--check', '.']]);
    expect(bootstrap.stepsOf('format', ['--write'])).to.deep.equal([['prettier', '--write', '.']]);
    const generate = ['node', 'node', 'buf', 'buf', 'buf'];
    expect(bootstrap.stepsOf('generate', [])?.map(([program]) => program)).to.deep.equal(generate);
    for (const unknown of [undefined, '', 'nothing', 'toString', '__proto__']) {
      expect(bootstrap.stepsOf(unknown, [])).to.equal(undefined);
    }
  });

  it('takes the Node of the packages where it runs', async () => {
    const packaged = path.join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
    await mkdir(path.dirname(packaged), { recursive: true });
    await writeFile(packaged, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    expect(await bootstrap.chooseNode(root, { execPath: '/host/node', version: 'v20.0.0' })).to.equal(packaged);
    await writeFile(packaged, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    expect(await bootstrap.chooseNode(root, { execPath: '/host/node', version: 'v22.18.0' })).to.equal('/host/node');
  });

  it("takes the host's Node when it runs TypeScript, and otherwise says what to do", async () => {
    expect(['v22.17.9', 'v20.20.2', 'v18.0.0'].some(bootstrap.runsTypeScript)).to.equal(false);
    expect(['v22.18.0', 'v24.0.0', 'v26.1.0'].every(bootstrap.runsTypeScript)).to.equal(true);
    const failure = await bootstrap
      .chooseNode(root, { execPath: '/host/node', version: 'v20.1.0' })
      .catch((error: unknown) => String(error));
    expect(failure).to.contain('needs Node 22.18 or later, and this is v20.1.0');
    expect(failure).to.contain('docker compose up');
  });

  it('installs when nothing is installed, and again when the lockfile has changed', async () => {
    expect(bootstrap.needsInstall(root)).to.equal(true);
    await writeFile(path.join(root, 'node_modules/.wardstone-installed'), `${bootstrap.wantedMark(root)}\n`);
    expect(bootstrap.needsInstall(root)).to.equal(false);
    await writeFile(path.join(root, 'pnpm-lock.yaml'), 'lockfileVersion: 9\npackages: {}\n');
    expect(bootstrap.needsInstall(root)).to.equal(true);
  });

  it('wants a git hook in a clone, but not in CI and not over what the developer chose', async () => {
    expect(bootstrap.wantsGitHook(root, {})).to.equal(false);
    execFileSync('git', ['init', '--quiet', root]);
    await writeFile(path.join(root, 'node_modules/.bin/simple-git-hooks'), '');
    expect(bootstrap.wantsGitHook(root, {})).to.equal(true);
    expect(bootstrap.wantsGitHook(root, { CI: 'true' })).to.equal(false);
    execFileSync('git', ['-C', root, 'config', 'wardstone.hooks', 'false']);
    expect(bootstrap.wantsGitHook(root, {})).to.equal(false);
    execFileSync('git', ['-C', root, 'config', '--unset', 'wardstone.hooks']);
    await mkdir(path.join(root, '.git/hooks'), { recursive: true });
    await writeFile(path.join(root, '.git/hooks/pre-commit'), '#!/bin/sh\n');
    expect(bootstrap.wantsGitHook(root, {})).to.equal(false);
  });
});
