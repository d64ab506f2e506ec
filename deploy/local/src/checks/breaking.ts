import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCommand, tryCommand } from '../setup/run-command.ts';

const timeoutMs = 120_000;

/**
 * Compares the protos with those of the commit at which this branch left the main branch (on the main branch itself: with
 * the commit before). Resolves with what breaks, or undefined. Where there is nothing to compare with, nothing breaks.
 */
export async function checkBreaking(root: string): Promise<string | undefined> {
  const base = await findBase(root);
  if (base === undefined) return undefined;
  const against = await mkdtemp(path.join(tmpdir(), 'wardstone-protos-'));
  try {
    const archive = path.join(against, 'protos.tar');
    const paths = ['proto', 'buf.yaml'];
    const archived = await tryCommand('git', ['archive', '--output', archive, base, '--', ...paths], {
      cwd: root,
      timeoutMs,
    });
    if (archived.code !== 0) return undefined;
    await runCommand('tar', ['-xf', archive, '-C', against], { timeoutMs });
    // Third-party protos are staged, not committed; those of today serve both sides.
    await mkdir(path.join(against, '.wardstone'), { recursive: true });
    await cp(path.join(root, '.wardstone/proto-deps'), path.join(against, '.wardstone/proto-deps'), {
      recursive: true,
    });
    const result = await tryCommand('buf', ['breaking', '--against', against], { cwd: root, timeoutMs });
    return result.code === 0 ? undefined : `buf breaking, against ${base.slice(0, 12)}:\n${result.output}`;
  } finally {
    await rm(against, { recursive: true, force: true });
  }
}

async function findBase(root: string): Promise<string | undefined> {
  const git = async (...args: string[]): Promise<string | undefined> => {
    const result = await tryCommand('git', args, { cwd: root, timeoutMs });
    return result.code === 0 ? result.stdout.trim() : undefined;
  };
  const head = await git('rev-parse', 'HEAD');
  for (const branch of ['origin/main', 'main']) {
    const base = await git('merge-base', 'HEAD', branch);
    if (base !== undefined && base !== '' && base !== head) return base;
  }
  return git('rev-parse', 'HEAD^');
}
