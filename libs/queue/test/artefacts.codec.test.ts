import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import {
  ArtefactError,
  chunksArtefact,
  decodeVector,
  encodeVector,
  readChunksArtefact,
  readVectorsArtefact,
  vectorsArtefact,
  type ChunkLine,
  type DocumentLine,
} from '../src/index.ts';
import { rejection } from './support/rejection.ts';

const document: DocumentLine = {
  kind: 'document',
  documentId: randomUUID(),
  version: 1,
  title: 'Título\u2028 "quoted"',
  fileName: 'a.pdf',
  pageCount: 2,
  charCount: 20,
  mediaType: 'application/pdf',
};
const chunk = (ordinal: number): ChunkLine => ({
  kind: 'chunk',
  ordinal,
  text: `line\nbreak 🩺 ${ordinal}`,
  pageStart: 1,
  pageEnd: 2,
  charStart: ordinal * 10,
  charEnd: ordinal * 10 + 10,
  pageBreaks: [
    { page: 1, chunkOffset: 0 },
    { page: 2, chunkOffset: 6 },
  ],
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

describe('chunks artefact', () => {
  it('is one line each, and is read as it was written, as text or as parsed', async () => {
    const lines = [...chunksArtefact(document, [chunk(0), chunk(1)])];
    expect(lines).to.have.length(3);
    expect(lines.join('')).not.to.include('\n');
    expect(await all(readChunksArtefact(lines))).to.deep.equal([document, chunk(0), chunk(1)]);
    const parsed = lines.map((line): unknown => JSON.parse(line));
    expect(await all(readChunksArtefact(parsed))).to.deep.equal([document, chunk(0), chunk(1)]);
  });

  it('may hold a document without chunks', async () => {
    expect(await all(readChunksArtefact([...chunksArtefact(document, [])]))).to.deep.equal([document]);
  });

  const [first = '', second = '', third = ''] = chunksArtefact(document, [chunk(0), chunk(1)]);
  const broken: [string, string[]][] = [
    ['empty', []],
    ['no header', [second]],
    ['a second header', [first, first]],
    ['a gap', [first, third]],
    ['a repeated chunk', [first, second, second]],
    ['a cut line', [first, second.slice(0, -5)]],
    ['an empty span', [first, second.replace('"charEnd":10', '"charEnd":0')]],
    ['a field more', [first, second.replace('{', '{"note":"zebrafish",')]],
  ];
  for (const [name, lines] of broken) {
    it(`is refused with ${name}, without a word of its content`, async () => {
      const error = await rejection(all(readChunksArtefact(lines)));
      expect(error).to.be.instanceOf(ArtefactError);
      expect((error as Error).message).not.to.match(/zebrafish|line\n|quoted/);
    });
  }
});

describe('vectors artefact', () => {
  const vectors = [new Float32Array([0, 1, -0.5]), new Float32Array([3.5e-5, Number.EPSILON, 1e10])];
  const header = { kind: 'vectors', modelId: 'lexical-1', dimensions: 3, count: 2 } as const;

  it('is read as it was written, to the bit', async () => {
    const [read, ...rest] = await all(readVectorsArtefact([...vectorsArtefact(header, vectors)]));
    expect(read).to.deep.equal(header);
    expect(rest).to.deep.equal(vectors.map((vector, ordinal) => ({ ordinal, vector })));
  });

  it('is little-endian', () => {
    expect(encodeVector(new Float32Array([1]))).to.equal(Buffer.from([0, 0, 0x80, 0x3f]).toString('base64'));
    expect(decodeVector('AACAPw==')).to.deep.equal(new Float32Array([1]));
    expect(() => decodeVector('AAA=')).to.throw(ArtefactError);
  });

  it('is refused when vectors are fewer, more, or of another length than the header says', async () => {
    expect(() => [...vectorsArtefact(header, vectors.slice(1))]).to.throw(ArtefactError);
    expect(() => [...vectorsArtefact({ ...header, dimensions: 4 }, vectors)]).to.throw(ArtefactError);
    const lines = [...vectorsArtefact(header, vectors)];
    for (const spoilt of [[], lines.slice(1), lines.slice(0, 2), [...lines, lines[2] ?? ''], [lines[0], lines[2]]]) {
      expect(await rejection(all(readVectorsArtefact(spoilt)))).to.be.instanceOf(ArtefactError);
    }
  });
});
