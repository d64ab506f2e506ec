import path from 'node:path';
import { rm } from 'node:fs/promises';
import { postgresCacheDir } from '@wardstone/local/platform/layout';
import { openPostgres } from '@wardstone/local/postgres/start';
import { benchEnvironment } from '../bench-platform.ts';
import type { Bench, Row } from '../row.ts';

/** From nothing, and from a stopped platform, to one that serves. The database alone is the counterpart. */
export const startRow: Row = {
  name: 'start',
  measure: async (bench: Bench) => {
    const { platform, progress, stateDir, signal } = bench;
    const databaseDir = path.join(stateDir, 'postgres-alone');
    await rm(databaseDir, { recursive: true, force: true });
    // Unpacks the server's programs when this clone has never had them: neither side is charged with a download.
    await startDatabaseAlone(path.join(stateDir, 'postgres-unpack'), progress);
    signal.throwIfAborted();
    progress('start: the database alone, twice');
    const bareFirst = await startDatabaseAlone(databaseDir, progress);
    const bareSecond = await startDatabaseAlone(databaseDir, progress);
    signal.throwIfAborted();
    progress('start: the platform, twice');
    const first = await platform.startFresh();
    const second = await platform.startAgain();
    const common = {
      unit: 's',
      better: 'lower',
      bareIs: 'the embedded Postgres alone',
      note: 'one start each',
    } as const;
    return [
      { what: 'cold start, first (sets up everything)', ours: first, bare: bareFirst, ...common },
      { what: 'cold start, second', ours: second, bare: bareSecond, ...common },
    ];
  },
};

/** Seconds to start it; the stop is not counted. */
async function startDatabaseAlone(dir: string, progress: (line: string) => void): Promise<number> {
  const env = benchEnvironment(process.env);
  const startedAt = performance.now();
  const server = await openPostgres({ cacheDir: postgresCacheDir(env), dir, progress }, env);
  const seconds = (performance.now() - startedAt) / 1000;
  await server.stop();
  return seconds;
}
