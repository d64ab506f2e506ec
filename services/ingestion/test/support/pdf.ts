/** PDFs written by hand: the broken ones that no generator makes. */
import type { ExtractionLimits } from '../../src/extraction/process.ts';

/** Bounds that a test reaches quickly. */
export const testLimits: ExtractionLimits = {
  maxPages: 6_000,
  maxChars: 2_000_000,
  maxRssBytes: 700 * 1024 * 1024,
  timeoutMs: 60_000,
  pageTimeoutMs: 30_000,
};

/** A PDF of the given objects, the first of which is the catalogue; its cross-reference table is right. */
export function rawPdf(objects: readonly string[]): Buffer {
  let body = '%PDF-1.7\n';
  const offsets = objects.map((object, index) => {
    const offset = body.length;
    body += `${String(index + 1)} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const size = String(objects.length + 1);
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${rows}`;
  return Buffer.from(
    `${body}${table}trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${String(body.length)}\n%%EOF\n`,
    'latin1',
  );
}

function stream(content: string, dictionary = ''): string {
  return `<< ${dictionary} /Length ${String(content.length)} >>\nstream\n${content}\nendstream`;
}

const font = '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>';

/** One page that draws with the given operators; font /F1. */
export function contentPdf(content: string): Buffer {
  return rawPdf([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    stream(content),
    font,
  ]);
}

/** A catalogue whose page tree is empty. */
export function noPagesPdf(): Buffer {
  return rawPdf(['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [] /Count 0 >>']);
}

/**
 * A PDF of a few hundred bytes that never ends: each of `depth` forms draws the next one twice, so the last is drawn
 * 2^depth times.
 */
export function spinningPdf(depth = 40): Buffer {
  const first = 6;
  const forms = Array.from({ length: depth }, (_, level) => {
    const next = `${String(first + level + 1)} 0 R`;
    const resources = `/Resources << /Font << /F1 5 0 R >> /XObject << /X ${next} >> >>`;
    const dictionary = `/Type /XObject /Subtype /Form /BBox [0 0 10 10] ${resources}`;
    return stream('q /X Do Q q /X Do Q', dictionary);
  });
  const leaf = stream(
    'BT /F1 1 Tf (x) Tj ET',
    '/Type /XObject /Subtype /Form /BBox [0 0 10 10] /Resources << /Font << /F1 5 0 R >> >>',
  );
  return rawPdf([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /XObject << /X ${String(first)} 0 R >> >> >>`,
    stream('/X Do'),
    font,
    ...forms,
    leaf,
  ]);
}
