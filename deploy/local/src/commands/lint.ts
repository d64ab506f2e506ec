// npm run lint: ESLint over the sources, buf over the protos, and a check that the protos break nobody.
import { spawn } from 'node:child_process';
import { repositoryDir } from '../platform/layout.ts';
import { checkBreaking } from '../checks/breaking.ts';
import { runCommandLine } from './run-command-line.ts';

async function run(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: repositoryDir, stdio: 'inherit' });
    child.on('error', () => {
      resolve(127);
    });
    child.on('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}

await runCommandLine(async () => {
  const args = process.argv.slice(2);
  const lint = await run('eslint', args.length === 0 ? ['.'] : args);
  const stage = await run(process.execPath, ['libs/rpc/scripts/stage-proto-deps.ts']);
  const protos = await run('buf', ['lint']);
  const format = await run('buf', ['format', '--diff', '--exit-code', 'proto']);
  const breaking = await checkBreaking(repositoryDir);
  if (breaking !== undefined) console.error(breaking);
  return [lint, stage, protos, format].every((code) => code === 0) && breaking === undefined ? 0 : 1;
});
