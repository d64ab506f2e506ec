// npm run reset: removes the state folder. It stops nothing: while the platform runs, it refuses.
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { defaultStateDir, layoutOf } from '../platform/layout.ts';
import { livingHolder } from '../platform/lock.ts';
import { removeForeignDir } from '../postgres/run-as.ts';
import { UsageError } from '../setup/setup-error.ts';
import { runCommandLine } from './run-command-line.ts';

await runCommandLine(async () => {
  const stateDir = defaultStateDir(process.env);
  for (const dir of [stateDir, path.join(stateDir, 'test')]) {
    const holder = await livingHolder(layoutOf(dir).lockFile);
    if (holder !== undefined) throw new UsageError(`${dir} is in use by process ${holder}. Stop it first.`);
  }
  await refuseForeignFolder(stateDir);
  for (const dir of ['postgres', 'test/postgres']) await removeForeignDir(path.join(stateDir, dir));
  await rm(stateDir, { recursive: true, force: true });
  console.log(`Removed ${stateDir}`);
  return 0;
});

/** WARDSTONE_STATE_DIR may have been set by mistake: only a folder that looks like ours is removed. */
async function refuseForeignFolder(stateDir: string): Promise<void> {
  const names = await readdir(stateDir).catch(() => []);
  const ours = ['postgres', 'postgres-server', 'ports.json', 'proto-deps', 'test', 'accounts.json', 'sign-in'];
  if (names.length > 0 && !names.some((name) => ours.includes(name))) {
    throw new UsageError(`${stateDir} does not look like a state folder of Wardstone; remove it yourself.`);
  }
}
