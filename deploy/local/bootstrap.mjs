// What every npm script goes through: installs what is missing, then runs the command under the pinned Node.
// Plain JavaScript without dependencies, because it runs under the host's Node (20 or later) before anything is there.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { chooseNode } from './bootstrap/choose-node.mjs';
import { commandNames, stepsOf } from './bootstrap/commands.mjs';
import { installWhenNeeded } from './bootstrap/install.mjs';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');

/** Runs one step to its end and returns its exit code. */
function run([program, ...args], env) {
  return new Promise((resolve) => {
    // The fourth descriptor is a leash: it closes when this process dies, however it dies, and the step stops itself.
    const child = spawn(program, args, { cwd: root, env, stdio: ['inherit', 'inherit', 'inherit', 'pipe'] });
    // Ctrl-C reaches the whole foreground group; the step decides when it is finished.
    const onInterrupt = () => undefined;
    const onTerminate = () => child.kill('SIGTERM');
    process.on('SIGINT', onInterrupt);
    process.on('SIGTERM', onTerminate);
    process.on('SIGHUP', onTerminate);
    const watch = watchParent(onTerminate);
    child.on('error', (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(127);
    });
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
      process.off('SIGHUP', onTerminate);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}

/** npm runs scripts in a shell, and neither passes a kill on: when one of them is gone, so is the reason for the script. */
function watchParent(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const shell = process.ppid;
  const npm = parentOf(shell);
  return setInterval(() => {
    if (process.ppid !== shell || parentOf(shell) !== npm) onGone();
  }, 500);
}

/** The parent of a process, where the kernel tells. */
function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
  } catch {
    return undefined;
  }
}

const [command, ...args] = process.argv.slice(2);
const steps = stepsOf(command, args);
if (steps === undefined) {
  console.error(`Usage: node deploy/local/bootstrap.mjs ${commandNames.join('|')} [arguments]`);
  process.exit(2);
}
try {
  await installWhenNeeded(root);
  const node = await chooseNode(root);
  const searchPath = [path.dirname(node), path.join(root, 'node_modules/.bin'), process.env.PATH ?? ''];
  const env = { ...process.env, PATH: searchPath.join(path.delimiter), LAUNCHER_LEASH_FD: '3' };
  for (const step of steps) {
    const code = await run(step[0] === 'node' ? [node, ...step.slice(1)] : step, env);
    if (code !== 0) {
      process.exitCode = code;
      break;
    }
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
