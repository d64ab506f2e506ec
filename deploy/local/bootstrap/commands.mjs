// The npm scripts, as the steps that each one runs. A step is a program and its arguments; it stops the rest by failing.

const entry = (name) => ['node', `deploy/local/src/commands/${name}.ts`];

// What stands as it stood at the last check, and uses nothing that has changed, is not checked again.
const onlyWhatChanged = ['--incremental', '--tsBuildInfoFile', 'node_modules/.cache/typecheck.tsbuildinfo'];

const commands = {
  start: (args) => [[...entry('start'), ...args]],
  demo: (args) => [[...entry('demo'), ...args]],
  token: (args) => [[...entry('token'), ...args]],
  reset: (args) => [[...entry('reset'), ...args]],
  test: (args) => [[...entry('test'), ...args]],
  bench: (args) => [['node', 'deploy/bench/src/main.ts', ...args]],
  lint: (args) => [[...entry('lint'), ...args]],
  format: (args) => [['prettier', args.includes('--write') ? '--write' : '--check', ...pathsOf(args)]],
  typecheck: (args) => [['tsc', '-p', 'tsconfig.json', '--noEmit', ...onlyWhatChanged, ...args]],
  generate: () => [
    ['node', 'libs/rpc/scripts/write-reasons.ts'],
    ['node', 'libs/rpc/scripts/stage-proto-deps.ts'],
    ['buf', 'lint'],
    ['buf', 'format', '--write', 'proto'],
    ['buf', 'generate'],
  ],
  build: (args) => [['npx', '-y', 'pnpm@12.21.0', '--recursive', 'run', 'build', ...args]],
  'check-staged': () => [entry('check-staged')],
};

function pathsOf(args) {
  const paths = args.filter((arg) => !arg.startsWith('--'));
  return paths.length === 0 ? ['.'] : paths;
}

/** Every command there is. */
export const commandNames = Object.keys(commands);

/** The steps of a command; undefined when there is no such command. */
export function stepsOf(command, args) {
  return Object.hasOwn(commands, command ?? '') ? commands[command](args) : undefined;
}
