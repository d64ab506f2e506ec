import { expect } from 'chai';
import { boundedSizes, chunkDocument, type Chunk, type ChunkSizes } from '../src/domain/chunking.ts';
import { DocumentTextBuilder, type DocumentText } from '../src/domain/document-text.ts';

function documentOf(pages: readonly string[]): DocumentText {
  const builder = new DocumentTextBuilder(50_000_000);
  pages.forEach((text, index) => {
    builder.addPage(index + 1, text);
  });
  return builder.finish(pages.length);
}

async function chunksOf(document: DocumentText, sizes: Partial<ChunkSizes> = {}): Promise<Chunk[]> {
  const { count, chunks } = await chunkDocument(document, { chunkSizeChars: 200, chunkOverlapChars: 40, ...sizes });
  const found = [...chunks];
  expect(found.length).to.equal(count);
  return found;
}

/** Whatever else a test looks at, this holds of any chunks. */
function expectSound(document: DocumentText, chunks: readonly Chunk[], chunkSizeChars = 200): void {
  let covered = 0;
  chunks.forEach((chunk, index) => {
    expect(chunk.ordinal).to.equal(index);
    expect(chunk.text === document.text.slice(chunk.charStart, chunk.charEnd), 'text is the slice').to.equal(true);
    expect(chunk.text.length).to.be.within(1, chunkSizeChars);
    expect(chunk.text.isWellFormed()).to.equal(true);
    expect(document.text.slice(covered, chunk.charStart).trim(), 'text between chunks').to.equal('');
    expect(chunk.charEnd).to.be.greaterThan(covered);
    covered = chunk.charEnd;
    for (const { page, chunkOffset } of chunk.pageBreaks) {
      const span = document.pages.find((candidate) => candidate.page === page);
      expect(chunkOffset).to.equal(Math.max(0, (span?.start ?? -1) - chunk.charStart));
    }
    expect(chunk.pageBreaks[0]).to.deep.equal({ page: chunk.pageStart, chunkOffset: 0 });
    expect(chunk.pageBreaks.at(-1)?.page).to.equal(chunk.pageEnd);
  });
  expect(document.text.slice(covered).trim(), 'text after the last chunk').to.equal('');
}

const sentence = (n: number): string => `Sentence number ${String(n)} says that the value was ${String(n * 3)} units. `;

describe('chunks', () => {
  it('cover the text, know their place, and overlap', async () => {
    const document = documentOf([Array.from({ length: 60 }, (_, n) => sentence(n)).join('')]);
    const chunks = await chunksOf(document);
    expectSound(document, chunks);
    const overlapping = chunks.filter(
      (chunk, index) => index > 0 && chunk.charStart < (chunks[index - 1]?.charEnd ?? 0),
    );
    expect(overlapping.length).to.equal(chunks.length - 1);
    for (const { text } of overlapping) expect(text, 'begins with a word').to.match(/^\S/);
  });

  it('are found at their own place in a text that repeats itself', async () => {
    const document = documentOf(['no pain. '.repeat(500).trim()]);
    const chunks = await chunksOf(document);
    expectSound(document, chunks);
    expect(chunks.at(-1)?.charEnd).to.equal(document.text.length);
  });

  it('know the pages that they run over', async () => {
    const document = documentOf(['First page.', 'Second page.', '', 'Fourth page. '.repeat(40)]);
    const chunks = await chunksOf(document);
    expectSound(document, chunks);
    expect(chunks[0]?.pageBreaks.map(({ page }) => page)).to.include.members([1, 2]);
    expect(chunks.some(({ pageStart, pageEnd }) => pageStart <= 3 && pageEnd === 3)).to.equal(false);
    expect(chunks.at(-1)?.pageStart).to.equal(4);
  });

  it('never halve a surrogate pair, and keep marks and joined emoji with what they belong to', async () => {
    const family = '👩\u200d👩\u200d👧\u200d👦';
    for (const unit of ['😀', family, 'e\u0301\u0323', '👍🏽', '漢字']) {
      const document = documentOf([`x${unit.repeat(400)}`]);
      const chunks = await chunksOf(document);
      expectSound(document, chunks);
      for (const { text, charStart } of chunks) {
        if (charStart > 0) expect(text.charAt(0), unit).not.to.match(/[\u0300-\u036f\u200d]/);
        expect(text.at(-1)).not.to.equal('\u200d');
      }
    }
  });

  it('survive a character with marks without end', async () => {
    for (const mark of ['\u0301', '\u{1d165}']) {
      const document = documentOf([`a${mark.repeat(5_000)} end`]);
      expectSound(document, await chunksOf(document));
    }
  });

  it('are the same every time', async () => {
    const document = documentOf(Array.from({ length: 9 }, (_, n) => sentence(n).repeat(7)));
    expect(await chunksOf(document)).to.deep.equal(await chunksOf(document));
  });

  it('take sizes within bounds only', async () => {
    expect(boundedSizes({ chunkSizeChars: 1, chunkOverlapChars: 900 })).to.deep.equal({
      chunkSizeChars: 100,
      chunkOverlapChars: 50,
    });
    expect(boundedSizes({ chunkSizeChars: 1e9, chunkOverlapChars: -1 })).to.deep.equal({
      chunkSizeChars: 8000,
      chunkOverlapChars: 0,
    });
    const document = documentOf([sentence(1).repeat(20)]);
    const chunks = await chunksOf(document, { chunkSizeChars: 1, chunkOverlapChars: 1 });
    expectSound(document, chunks, 100);
  });

  it('cope with ten million characters, with and without blanks', async () => {
    for (const text of [sentence(7).repeat(180_000), 'x'.repeat(10_000_000)]) {
      const document = documentOf([text]);
      const chunks = await chunksOf(document, { chunkSizeChars: 1_000, chunkOverlapChars: 150 });
      expect(chunks.length).to.be.greaterThan(9_000);
      expect(chunks.at(-1)?.charEnd).to.equal(document.text.trimEnd().length);
    }
  }).timeout(60_000);
});
