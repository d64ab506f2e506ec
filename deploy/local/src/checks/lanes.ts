import { createReadStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { readJson } from '../setup/files.ts';
import { type Counts, type MochaOptions, runMocha } from './mocha.ts';

export interface LanesOptions extends Pick<MochaOptions, 'cwd' | 'env' | 'countsFile' | 'stop'> {
  /** What each mocha is told to run. */
  readonly lanes: readonly (readonly string[])[];
  /** Where counts and outputs of the lanes are kept. */
  readonly stateDir: string;
}

/**
 * Runs a mocha for each lane, side by side. The first one's output goes to the terminal as it comes, the others' after it, each in
 * one piece. Resolves with the highest exit code; the counts of all are in `countsFile` when each of them came to its end.
 */
export async function runLanes({ lanes, stateDir, countsFile, ...common }: LanesOptions): Promise<number> {
  const [first] = lanes;
  if (first !== undefined && lanes.length === 1) return runMocha({ ...common, args: first, countsFile });
  await rm(countsFile, { force: true });
  const files = lanes.map((_, index) => path.join(stateDir, `lane-${String(index)}`));
  const codes = await Promise.all(
    lanes.map(async (args, index) => {
      const outputFile = index === 0 ? {} : { outputFile: `${String(files[index])}.log` };
      return runMocha({ ...common, args, ...outputFile, countsFile: `${String(files[index])}.json` });
    }),
  );
  for (const file of files.slice(1)) {
    await pipeline(createReadStream(`${file}.log`), process.stdout, { end: false });
  }
  const counted = await Promise.all(files.map(async (file) => (await readJson(`${file}.json`)) as Counts | undefined));
  const ended = counted.filter((counts) => counts !== undefined);
  if (ended.length === lanes.length) {
    const all = ended.reduce(sum);
    await writeFile(countsFile, JSON.stringify(all));
    console.log(
      `Together: ${String(all.passed)} passing, ${String(all.failed)} failing, ${String(all.pending)} pending`,
    );
  }
  return Math.max(...codes);
}

function sum(one: Counts, other: Counts): Counts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    pending: one.pending + other.pending,
  };
}
