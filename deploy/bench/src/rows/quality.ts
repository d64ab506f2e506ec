import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { repositoryDir } from '@wardstone/local/platform/layout';
import { hybridQuality, type Quality } from '../hybrid-quality.ts';
import type { Bench, Measured, Row } from '../row.ts';
import { filesBelow, sharedDataDir } from '../shared-data.ts';

const collections = ['scifact', 'medquad', 'covidqa', 'pubmedqa'];
const neededFiles = ['corpus.jsonl', 'qrels.tsv', 'queries.jsonl'];
const timeoutMs = 240_000;

/**
 * How well a search finds, and how well its vectors alone do, beside plain BM25. Figures of quality: they do not depend on the
 * machine.
 */
export const qualityRow: Row = {
  name: 'quality',
  measure: async ({ progress, signal }: Bench) => {
    const present: string[] = [];
    for (const name of collections) {
      const files = await filesBelow(name);
      if (neededFiles.every((file) => files.includes(file))) present.push(name);
    }
    const absent = collections.filter((name) => !present.includes(name));
    progress(`quality: ${present.join(', ') || 'no collection is present'}`);
    if (present.length === 0) return absent.map(absentCollection);
    const alone = await runEmbeddingsMeasurement(present, signal);
    const hybrid: Measured[] = [];
    for (const name of present) {
      progress(`quality: ${name}, words and vectors together`);
      hybrid.push(...besideSameBm25(name, await hybridQuality(path.join(sharedDataDir, name)), alone));
    }
    return [...hybrid, ...alone, ...absent.map(absentCollection)];
  },
};

/** The service's ranking beside the figures of BM25 that stand beside the embedder's. Thrown: Error when they are missing. */
export function besideSameBm25(
  name: string,
  { ndcg, recall }: Quality,
  alone: readonly Measured[],
): readonly Measured[] {
  return [['nDCG@10', ndcg] as const, ['recall@10', recall] as const].map(([figure, ours]) => {
    const beside = alone.find(({ what }) => what === `${name}, vectors alone: ${figure}`);
    if (beside?.bare === undefined) throw new Error(`there is no ${figure} of BM25 for ${name}`);
    const { unit, better, bare, bareIs } = beside;
    const note = 'as the service ranks: BM25 over blind terms, fused with the lexical model';
    return {
      what: `${name}, search: ${figure}`,
      unit,
      better,
      ours,
      bare,
      note,
      ...(bareIs === undefined ? {} : { bareIs }),
    };
  });
}

function absentCollection(name: string): Measured {
  const note = `the data is absent: ../shared/data/${name}`;
  return { what: `${name}: nDCG@10, recall@10`, unit: '0 to 1', better: 'higher', ours: undefined, note };
}

/** Embedding's own measurement is a script with a table as its output; the table is what can be reused of it. */
async function runEmbeddingsMeasurement(names: readonly string[], signal: AbortSignal): Promise<readonly Measured[]> {
  const script = path.join(repositoryDir, 'services/embedding/scripts/measure-retrieval.ts');
  const folders = names.map((name) => path.join(sharedDataDir, name));
  const options = { signal, timeout: timeoutMs, maxBuffer: 1024 * 1024 };
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...folders], options);
  return besideBm25(readConsoleTable(stdout));
}

type Line = ReadonlyMap<string, string>;

/** Reads what console.table printed: one map per line, by column. Thrown: Error when there is no table. */
export function readConsoleTable(text: string): readonly Line[] {
  const [head, ...body] = text
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^'(.*)'$/, '$1')),
    );
  if (head === undefined) throw new Error('the measurement printed no table');
  return body.map((cells) => new Map(head.map((column, at) => [column, cells[at] ?? ''])));
}

/** Puts the embedder's lines beside BM25's of the same collection. Thrown: Error when a line or a figure is missing. */
export function besideBm25(lines: readonly Line[]): readonly Measured[] {
  const own = lines.filter((line) => line.get('method') !== 'BM25');
  return own.flatMap((line) => {
    const collection = line.get('collection') ?? '';
    const bm25 = lines.find((other) => other.get('method') === 'BM25' && other.get('collection') === collection);
    return ['nDCG@10', 'recall@10'].map((figure): Measured => ({
      what: `${collection}, vectors alone: ${figure}`,
      unit: '0 to 1',
      better: 'higher',
      ours: numberIn(line, figure),
      bare: numberIn(bm25, figure),
      bareIs: 'BM25 (k1 0.9, b 0.4), same words and stems',
      note: line.get('method') ?? '',
    }));
  });
}

function numberIn(line: Line | undefined, column: string): number {
  const value = Number.parseFloat(line?.get(column) ?? '');
  if (!Number.isFinite(value)) throw new Error(`the measurement has no ${column}`);
  return value;
}
