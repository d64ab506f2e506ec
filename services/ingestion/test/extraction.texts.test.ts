import { expect } from 'chai';
import { extractDocument } from '../src/extraction/extract-document.ts';
import type { ExtractionLimits } from '../src/extraction/process.ts';
import { createExtractionPool, type ExtractionPool } from '../src/extraction/pool.ts';
import { extractJob } from '../src/jobs/extract.ts';
import { gather, pieces, testSizes, type Gathered } from './support/extracted.ts';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { testLimits } from './support/pdf.ts';
import { reasonOf, upload } from './support/upload.ts';

const MiB = 1024 * 1024;
const { signal } = new AbortController();

describe('extraction of plain texts', () => {
  let pool: ExtractionPool | undefined;
  const open = async (limits: Partial<ExtractionLimits> = {}): Promise<void> => {
    await close();
    pool = createExtractionPool({ concurrency: 1, maxHeapMiB: 1024, limits: { ...testLimits, ...limits } });
  };
  const close = async (): Promise<void> => {
    await pool?.close();
    pool = undefined;
  };
  after(close);

  async function extract(text: string | Uint8Array, pieceBytes?: number): Promise<Gathered> {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const body = pieces(bytes, pieceBytes);
    const original = { tenantId: tenantA, mediaType: 'text/plain', bytes: bytes.length, body } as const;
    if (pool === undefined) throw new Error('no pool is open');
    return extractDocument(original, { pool, sizes: testSizes, signal }, gather);
  }

  it('gives the text as one page, however the bytes are cut', async () => {
    await open();
    const text = 'Größe 180 cm 😀';
    for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text}`, 'utf16le')]) {
      const found = await extract(bytes, 1);
      expect(found).to.include({ text, pageCount: 1, charCount: text.length });
      expect(found.chunks).to.have.length(1);
    }
  });

  it('says what is wrong with a text, and goes on with the next', async () => {
    await open({ maxChars: 100 });
    expect(await reasonOf(extract(Buffer.from([0x61, 0xc3, 0x28])))).to.equal('TEXT_ENCODING');
    expect(await reasonOf(extract(' \n -- \n'))).to.equal('NO_TEXT');
    expect(await reasonOf(extract('x'.repeat(101)))).to.equal('TEXT_TOO_LARGE');
    expect((await extract('still works')).text).to.equal('still works');
  });

  it('does not read a text that must be too long', async () => {
    await open({ maxChars: 100 });
    async function* untouched(): AsyncGenerator<Uint8Array> {
      yield await Promise.reject(new Error('it was read'));
    }
    const original = { tenantId: tenantA, mediaType: 'text/plain', bytes: 304, body: untouched() } as const;
    if (pool === undefined) throw new Error('no pool is open');
    const options = { pool, sizes: testSizes, signal };
    expect(await reasonOf(extractDocument(original, options, gather))).to.equal('TEXT_TOO_LARGE');
    expect(await reasonOf(extractDocument({ ...original, bytes: 303 }, options, gather))).to.equal('INTERNAL');
  });

  describe('that were made to take long', () => {
    const chars = 2 * MiB;
    const letters = Array.from({ length: 997 }, (_, n) => String.fromCharCode(97 + ((n * n) % 26))).join('');
    const hostile: readonly (readonly [name: string, text: () => string, reason: string])[] = [
      ['one character', () => 'x'.repeat(chars), 'none'],
      ['blanks', () => ' '.repeat(chars), 'NO_TEXT'],
      ['blanks between two letters', () => `a${' '.repeat(chars - 2)}z`, 'none'],
      ['line ends', () => '\n'.repeat(chars), 'NO_TEXT'],
      ['line ends between two letters', () => `a${'\n'.repeat(chars - 2)}z`, 'none'],
      ['lines of a blank', () => `a${' \n'.repeat(chars / 2 - 1)}z`, 'none'],
      ['lines of a letter', () => 'a\n'.repeat(chars / 2), 'none'],
      ['no blank at all', () => letters.repeat(chars / 997), 'none'],
      ['one letter with combining marks', () => `a${'\u0301'.repeat(chars - 1)}`, 'none'],
      ['marks outside the basic plane', () => `a${'\u{1d165}'.repeat(chars / 2 - 1)}`, 'none'],
      ['joined emoji', () => `a${'👩\u200d'.repeat((chars - 1) / 3)}`, 'none'],
      ['every separator', () => 'a\n\nb\nc. d? e! f。g; h '.repeat(chars / 23), 'none'],
    ];
    before(() => open({ maxChars: chars }));
    for (const [name, text, reason] of hostile) {
      it(`ends: ${name}`, async () => {
        const made = text();
        expect(await reasonOf(expectWhole(extract(made), made))).to.equal(reason);
      }).timeout(testLimits.timeoutMs);
    }

    it('ends: a line of 50 MiB', async () => {
      await open({ maxChars: 64 * MiB, maxRssBytes: 1536 * MiB });
      const line = 'x'.repeat(50 * MiB);
      expect((await extract(line)).charCount).to.equal(line.length);
    }).timeout(testLimits.timeoutMs);

    it('is killed at the bounds of time and memory', async () => {
      await open({ maxChars: chars, timeoutMs: 1 });
      expect(await reasonOf(extract('x'.repeat(chars)))).to.equal('EXTRACTION_TIMEOUT');
      await open({ maxChars: chars, maxRssBytes: 16 * MiB });
      expect(await reasonOf(extract('a\n'.repeat(chars / 2)))).to.equal('EXTRACTION_MEMORY');
    }).timeout(testLimits.timeoutMs);
  });

  describe('in the service', () => {
    let harness: Harness;
    before(async () => {
      harness = await openHarness();
    });
    after(() => harness.close());

    it('leaves it free to answer others while a text is decoded and cut', async () => {
      const { documentId } = await upload(harness, 'a\n'.repeat(500_000));
      const job = harness.flows.get(documentId)?.job;
      if (job === undefined) throw new Error('no flow was added');
      const now = { phase: 'reading' as 'reading' | 'working' | 'done' };
      const objects: Harness['objects'] = {
        ...harness.objects,
        read: async (ref, options) => {
          const original = await harness.objects.read(ref, options);
          return original.once('end', () => {
            now.phase = 'working';
          });
        },
        writeJsonLines: (...args) => {
          now.phase = 'done';
          return harness.objects.writeJsonLines(...args);
        },
      };
      const extracting = extractJob({ ...harness.deps, objects })(job, { signal }).finally(() => {
        now.phase = 'done';
      });
      let answered = 0;
      while (now.phase !== 'done') {
        await harness.client.getDocument({ documentId }, as(tenantA));
        if (now.phase === 'working') answered += 1;
      }
      await extracting;
      // Work in the service's own thread would leave room for none between the last byte and the first chunk.
      expect(answered).to.be.greaterThan(2);
    }).timeout(60_000);
  });
});

/** Everything but blanks is in the chunks. */
async function expectWhole(found: Promise<Gathered>, made: string): Promise<void> {
  const { text, charCount } = await found;
  expect(text.length).to.equal(charCount);
  expect(text.replace(/\s/g, '') === made.replace(/\s/g, ''), 'every character is there').to.equal(true);
}
