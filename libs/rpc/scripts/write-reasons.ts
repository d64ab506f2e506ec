/** Writes the table of REASONS.md from the catalogue; what stands around it stays. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Code } from '@connectrpc/connect';
import { type ReasonSpec, reasons } from '../src/reasons.ts';

const path = new URL('../REASONS.md', import.meta.url);
const lines = readFileSync(path, 'utf8').split('\n');
const isRow = (line: string) => line.startsWith('|');
const header = ['reason', 'code', 'HTTP', 'retry after', 'message'];
const rows = Object.entries<ReasonSpec>(reasons).map(([reason, { code, status, message, retryAfterMs }]) => [
  `\`${reason}\``,
  Code[code],
  String(status),
  retryAfterMs === undefined ? '' : `${retryAfterMs.toLocaleString('en-US')} ms`,
  message,
]);
const table = [header, header.map(() => '---'), ...rows];
// As wide as prettier would have it, so that writing anew changes nothing.
const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
const text = table.map((row) => {
  const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0, cell === '---' ? '-' : ' '));
  return `| ${cells.join(' | ')} |`;
});
lines.splice(lines.findIndex(isRow), lines.findLastIndex(isRow) - lines.findIndex(isRow) + 1, ...text);
writeFileSync(path, lines.join('\n'));
