// The pre-commit hook: Prettier and ESLint over what is staged, as it stands in the working tree.
import path from 'node:path';
import { existsSync } from 'node:fs';
import { repositoryDir } from '../platform/layout.ts';
import { runCommand, tryCommand } from '../setup/run-command.ts';
import { runCommandLine } from './run-command-line.ts';

const timeoutMs = 300_000;

await runCommandLine(async () => {
  const cwd = repositoryDir;
  const list = await runCommand('git', ['diff', '--cached', '--name-only', '-z', '--diff-filter=ACMR'], {
    cwd,
    timeoutMs,
  });
  const staged = list.split('\0').filter((name) => name !== '' && existsSync(path.join(cwd, name)));
  if (staged.length === 0) return 0;
  const format = await tryCommand('prettier', ['--check', '--ignore-unknown', ...staged], { cwd, timeoutMs });
  const sources = staged.filter((name) => /\.(ts|mjs)$/.test(name));
  const lint =
    sources.length === 0
      ? undefined
      : await tryCommand('eslint', ['--no-warn-ignored', ...sources], { cwd, timeoutMs });
  const failed = [format, lint].filter((result) => result !== undefined && result.code !== 0);
  for (const result of failed) console.error(result?.output);
  if (failed.length > 0) console.error('Not committed. To commit all the same: git commit --no-verify');
  return failed.length === 0 ? 0 : 1;
});
