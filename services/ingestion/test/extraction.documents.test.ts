import { imageOnlyPdf, pagesPdf, textPdf } from '@wardstone/testing';
import { expect } from 'chai';
import { extractDocument } from '../src/extraction/extract-document.ts';
import { createExtractionPool, type ExtractionPool } from '../src/extraction/pool.ts';
import { gather, pieces, testSizes, type Gathered } from './support/extracted.ts';
import { contentPdf, noPagesPdf, spinningPdf, testLimits } from './support/pdf.ts';
import { reasonOf } from './support/upload.ts';

describe('extraction of PDFs', () => {
  let pool: ExtractionPool;
  before(() => {
    pool = createExtractionPool({ concurrency: 1, maxHeapMiB: 256, limits: testLimits });
  });
  after(() => pool.close());

  const { signal } = new AbortController();
  async function extract(pdf: Uint8Array, using = pool, sizes = testSizes): Promise<Gathered> {
    const original = {
      tenantId: 'tenant-a',
      mediaType: 'application/pdf',
      bytes: pdf.length,
      body: pieces(pdf),
    } as const;
    return extractDocument(original, { pool: using, sizes, signal }, gather);
  }

  it('gives the text of each page and where it stands', async () => {
    const { text, chunks, pageCount, charCount } = await extract(
      await textPdf(['Blood pressure was 120/80.', 'Follow up in two weeks.']),
    );
    expect(pageCount).to.equal(2);
    expect(text).to.equal('Blood pressure was 120/80.\n\nFollow up in two weeks.');
    expect(charCount).to.equal(text.length);
    expect(chunks.map(({ pageBreaks }) => pageBreaks)).to.deep.equal([
      [
        { page: 1, chunkOffset: 0 },
        { page: 2, chunkOffset: 28 },
      ],
    ]);
  });

  it('is the same every time', async () => {
    const pdf = await pagesPdf(7);
    expect(await extract(pdf)).to.deep.equal(await extract(pdf));
  });

  it('drops NULs and gives well-formed text', async () => {
    const { text } = await extract(contentPdf('BT /F1 12 Tf 72 700 Td (Dose\\000 5 mg) Tj ET'));
    expect(text).not.to.include('\u0000');
    expect(text).to.match(/^Dose.*5 mg$/);
  });

  it('reads five thousand pages', async () => {
    const { pageCount, chunks } = await extract(await pagesPdf(5_000));
    expect(pageCount).to.equal(5_000);
    expect(new Set(chunks.flatMap(({ pageBreaks }) => pageBreaks.map(({ page }) => page)))).to.have.property(
      'size',
      5_000,
    );
    expect(chunks.at(-1)?.text).to.contain('station 5000 was 35003 units');
  }).timeout(120_000);

  it('refuses more pages than allowed', async () => {
    const small = createExtractionPool({ concurrency: 1, maxHeapMiB: 128, limits: { ...testLimits, maxPages: 3 } });
    try {
      expect(await reasonOf(extract(await pagesPdf(3), small))).to.equal('none');
      expect(await reasonOf(extract(await pagesPdf(4), small))).to.equal('TOO_MANY_PAGES');
    } finally {
      await small.close();
    }
  });

  it('refuses more text than allowed, in one page and over all', async () => {
    const small = createExtractionPool({ concurrency: 1, maxHeapMiB: 128, limits: { ...testLimits, maxChars: 200 } });
    try {
      const page = 'word '.repeat(30);
      expect(await reasonOf(extract(await textPdf([page]), small))).to.equal('none');
      expect(await reasonOf(extract(await textPdf([page + page]), small))).to.equal('TEXT_TOO_LARGE');
      expect(await reasonOf(extract(await textPdf([page, page]), small))).to.equal('TEXT_TOO_LARGE');
    } finally {
      await small.close();
    }
  });

  it('says what is wrong with a PDF that has no usable text', async () => {
    const whole = await pagesPdf(20);
    const cases: readonly (readonly [name: string, pdf: Uint8Array, reason: string])[] = [
      ['encrypted', await textPdf(['secret'], { userPassword: 'open sesame' }), 'PDF_ENCRYPTED'],
      ['no pages', noPagesPdf(), 'PDF_NO_PAGES'],
      ['truncated', whole.subarray(0, whole.length / 2), 'PDF_CORRUPT'],
      ['corrupt', Buffer.from('%PDF-1.7\nthis is not a document at all'), 'PDF_CORRUPT'],
      ['header only', Buffer.from('%PDF-'), 'PDF_CORRUPT'],
      ['picture only', await imageOnlyPdf(2), 'NO_TEXT'],
    ];
    for (const [name, pdf, reason] of cases) expect(await reasonOf(extract(pdf)), name).to.equal(reason);
  });

  it('gives up a PDF that makes the parser spin', async () => {
    const impatient = createExtractionPool({
      concurrency: 1,
      maxHeapMiB: 256,
      limits: { ...testLimits, pageTimeoutMs: 1_500 },
    });
    try {
      expect(await reasonOf(extract(spinningPdf(), impatient))).to.be.oneOf([
        'EXTRACTION_TIMEOUT',
        'EXTRACTION_MEMORY',
      ]);
      expect((await extract(await textPdf(['still works']), impatient)).text).to.equal('still works');
    } finally {
      await impatient.close();
    }
    // The bound is on the process's own time, which a busy machine gives it little of.
  }).timeout(testLimits.timeoutMs);

  it('passes on what reading the original threw, and goes on working', async () => {
    const failing = extractDocument(
      { tenantId: 'tenant-a', mediaType: 'application/pdf', bytes: 10, body: brokenBody() },
      { pool, sizes: testSizes, signal },
      gather,
    );
    expect(await reasonOf(failing)).to.equal('INTERNAL');
    expect((await extract(await textPdf(['still works']))).text).to.equal('still works');
  });
});

async function* brokenBody(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from('%PDF-'));
  throw new Error('the store lost the rest');
}
