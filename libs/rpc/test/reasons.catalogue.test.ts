import { readFileSync } from 'node:fs';
import { Code } from '@connectrpc/connect';
import { expect } from 'chai';
import { documentFailures, reasons } from '../src/index.ts';

describe('REASONS.md', () => {
  const document = readFileSync(new URL('../REASONS.md', import.meta.url), 'utf8');
  const rows = document.split('\n').filter((line) => line.startsWith('| `'));

  it('says of every reason what reasons.ts says, in the same order, and nothing more', () => {
    const documented = rows.map((row) => {
      const cells = row.split('|').map((cell) => cell.trim());
      return cells.slice(1, -1);
    });
    const catalogue = Object.entries(reasons).map(([reason, spec]) => {
      const retry = 'retryAfterMs' in spec ? `${spec.retryAfterMs.toLocaleString('en-US')} ms` : '';
      return [`\`${reason}\``, Code[spec.code], String(spec.status), retry, spec.message];
    });
    expect(documented).deep.equal(catalogue);
  });

  it('names what a document can fail with', () => {
    const [, section = ''] = document.split("## In a document's `failure`");
    expect([...section.matchAll(/^- `([A-Z_]+)`/gm)].map(([, reason]) => reason)).deep.equal([...documentFailures]);
  });

  it('gives every reason a status that fits its code', () => {
    // Said by the gateway of HTTP itself, or of what is not there yet: the usual reading of the code does not hold.
    const exceptions = new Set(['UNIMPLEMENTED', 'REQUEST_TIMEOUT']);
    const serverFaults: Code[] = [Code.Internal, Code.Unavailable, Code.DataLoss, Code.DeadlineExceeded];
    for (const [reason, { code, status }] of Object.entries(reasons)) {
      if (!exceptions.has(reason)) expect(status >= 500, reason).equal(serverFaults.includes(code));
    }
  });
});
