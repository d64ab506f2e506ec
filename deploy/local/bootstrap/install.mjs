import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const pnpm = 'pnpm@12.21.0';
const inputs = ['pnpm-workspace.yaml', 'pnpm-lock.yaml'];

/** What the installed packages were made from: a digest of the lockfile and what goes with it. */
export function wantedMark(root) {
  const hash = createHash('sha256');
  for (const name of inputs) hash.update(readFileSync(path.join(root, name))).update('\0');
  return hash.digest('hex');
}

const markFile = (root) => path.join(root, 'node_modules/.wardstone-installed');

/** Whether the packages are absent, or were installed from another lockfile. */
export function needsInstall(root) {
  const file = markFile(root);
  return !existsSync(file) || readFileSync(file, 'utf8').trim() !== wantedMark(root);
}

/** Installs the locked packages when they are not there yet, with pnpm's own progress on the terminal. */
export async function installWhenNeeded(root) {
  if (needsInstall(root)) {
    console.error('Installing the locked packages (once, and again when the lockfile changes)');
    const result = spawnSync('npx', ['-y', pnpm, 'install', '--frozen-lockfile'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      // Without a terminal pnpm would ask before it replaces a folder that another version of it made.
      env: { ...process.env, CI: process.env.CI ?? 'true' },
    });
    if (result.status !== 0) {
      throw new Error(
        [
          'The packages could not be installed (see above). Is the npm registry within reach?',
          'The way out without packages: docker compose up',
        ].join('\n'),
      );
    }
    mkdirSync(path.dirname(markFile(root)), { recursive: true });
    writeFileSync(markFile(root), `${wantedMark(root)}\n`);
  }
  if (wantsGitHook(root, process.env)) installGitHook(root);
}

/**
 * Whether to install the pre-commit hook: in a clone, not in CI, and never over a hook or a hooks folder of the
 * developer's own. `git config wardstone.hooks false` says no for good.
 */
export function wantsGitHook(root, env) {
  if (env.CI !== undefined && env.CI !== '' && env.CI !== 'false') return false;
  if (!existsSync(path.join(root, '.git')) || !existsSync(path.join(root, 'node_modules/.bin/simple-git-hooks'))) {
    return false;
  }
  const setting = (name) => git(root, ['config', '--get', name]);
  if (setting('wardstone.hooks') === 'false' || setting('core.hooksPath') !== '') return false;
  const hook = git(root, ['rev-parse', '--git-path', 'hooks/pre-commit']);
  return hook !== '' && !existsSync(path.resolve(root, hook));
}

function git(root, args) {
  const result = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : '';
}

function installGitHook(root) {
  const result = spawnSync(process.execPath, [path.join(root, 'node_modules/simple-git-hooks/cli.js')], {
    cwd: root,
    encoding: 'utf8',
  });
  if (result.status !== 0) console.error('The pre-commit hook could not be installed; commits are not checked here.');
}
