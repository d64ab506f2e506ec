import type { Measured } from './row.ts';

const columns = ['row', 'measured', 'unit', 'Wardstone', 'bare', 'ratio', 'good is', 'bare is / notes'];

/** The results as one markdown table. The ratio is Wardstone's figure divided by the bare one. */
export function markdownTable(results: readonly { readonly row: string; readonly measured: Measured }[]): string {
  const body = results.map(({ row, measured }) => [
    row,
    measured.what,
    measured.unit,
    formatNumber(measured.ours),
    formatNumber(measured.bare),
    formatRatio(measured),
    measured.better,
    [measured.bareIs, measured.note].filter((text) => text !== undefined).join('; '),
  ]);
  const lines = [columns, ...body].map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = columns.map((_, column) => Math.max(3, ...lines.map((cells) => (cells[column] ?? '').length)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [lines[0] ?? [], rule, ...lines.slice(1)]
    .map((cells) => `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`)
    .join('\n');
}

/** Three significant digits, thousands separated; a dash for what was not measured. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return '–';
  return value.toLocaleString('en-US', { maximumSignificantDigits: Math.abs(value) >= 1000 ? 4 : 3 });
}

function formatRatio({ ours, bare }: Measured): string {
  return ours === undefined || bare === undefined || bare === 0 ? '–' : `${(ours / bare).toFixed(2)}×`;
}
