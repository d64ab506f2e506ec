// npm run bench [-- NAME …]: measures the platform beside bare counterparts in one run and prints one table.
import path from 'node:path';
import { defaultStateDir } from '@wardstone/local/platform/layout';
import { runCommandLine, whenStopped } from '@wardstone/local/commands/run-command-line';
import { UsageError } from '@wardstone/local/setup/setup-error';
import { createBenchPlatform } from './bench-platform.ts';
import type { Bench, Measured, Row } from './row.ts';
import { answersRow } from './rows/answers.ts';
import { cryptoRow } from './rows/crypto.ts';
import { extractRow } from './rows/extract.ts';
import { gatewayRow } from './rows/gateway.ts';
import { ingestRow } from './rows/ingest.ts';
import { keywordRow } from './rows/keyword.ts';
import { qualityRow } from './rows/quality.ts';
import { rpcRow } from './rows/rpc.ts';
import { searchRow } from './rows/search.ts';
import { startRow } from './rows/start.ts';
import { markdownTable } from './table.ts';

/** In the order in which they run: `start` leaves a fresh platform to those that follow. */
const rows: readonly Row[] = [
  cryptoRow,
  extractRow,
  rpcRow,
  gatewayRow,
  startRow,
  ingestRow,
  searchRow,
  keywordRow,
  answersRow,
  qualityRow,
];

await runCommandLine(async (signal) => {
  const chosen = chooseRows(process.argv.slice(2));
  const stateDir = path.join(defaultStateDir(process.env), 'bench');
  const progress = (line: string): void => {
    console.error(line);
  };
  const platform = createBenchPlatform({
    stateDir: path.join(stateDir, 'platform'),
    env: process.env,
    signal,
    progress,
  });
  const startedAt = performance.now();
  const results: Result[] = [];
  try {
    const measuring = measureRows(chosen, { stateDir, platform, progress, signal }, results);
    await Promise.race([measuring, whenStopped(signal)]);
    progress(`Done in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  } finally {
    // A row that fails does not take the others' figures with it.
    if (results.length > 0) console.log(markdownTable(results));
    await platform.stop();
  }
  return 0;
});

interface Result {
  readonly row: string;
  readonly measured: Measured;
}

/** Runs the rows one after the other, each adding its lines to the results. */
async function measureRows(chosen: readonly Row[], bench: Bench, results: Result[]): Promise<void> {
  for (const { name, measure } of chosen) {
    bench.signal.throwIfAborted();
    for (const measured of await measure(bench)) results.push({ row: name, measured });
  }
}

/** Every row, or those named. Thrown: UsageError for a name that is none. */
function chooseRows(names: readonly string[]): readonly Row[] {
  const unknown = names.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length > 0) {
    throw new UsageError(`No such row: ${unknown.join(', ')}. There are: ${rows.map(({ name }) => name).join(', ')}`);
  }
  return names.length === 0 ? rows : rows.filter(({ name }) => names.includes(name));
}
