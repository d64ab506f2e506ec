import { deflateSync } from 'node:zlib';
import { textPdf } from '@wardstone/testing';
import { expect } from 'chai';
import { detectMediaType } from '../src/domain/media-type.ts';
import { reasonOf } from './support/upload.ts';

const utf16 = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le');

describe('media types', () => {
  it('finds a PDF by its bytes, whatever the name says', async () => {
    const pdf = await textPdf(['Aspirin']);
    expect(await detectMediaType(pdf.subarray(0, 4096), 'holiday.txt')).to.equal('application/pdf');
  });

  it('finds a PDF header anywhere within the first 1024 bytes, and not behind them', async () => {
    const at = (offset: number): Buffer => Buffer.from(`${' '.repeat(offset)}%PDF-1.7\n`);
    expect(await detectMediaType(at(1019), 'x')).to.equal('application/pdf');
    expect(await detectMediaType(at(1020), 'x')).to.equal('text/plain');
  });

  it('calls a PDF that lost its header a PDF', async () => {
    expect(await detectMediaType(Buffer.from('junk\n5 0 obj<</Type/Catalog>>endobj'), 'x')).to.equal('application/pdf');
  });

  it('finds text in UTF-8 with and without a mark, and in UTF-16 with one', async () => {
    expect(await detectMediaType(Buffer.from('Blutdruck über 140'), 'report.pdf')).to.equal('text/plain');
    expect(await detectMediaType(Buffer.from('\ufeffnote'), 'x')).to.equal('text/plain');
    expect(await detectMediaType(utf16('note'), 'x')).to.equal('text/plain');
    expect(await detectMediaType(utf16('note').swap16(), 'x')).to.equal('text/plain');
  });

  it('tells Markdown from plain text by the name', async () => {
    expect(await detectMediaType(Buffer.from('# Note'), 'a.MD')).to.equal('text/markdown');
  });

  it('does not mistake text for a format whose signature it begins with', async () => {
    expect(await detectMediaType(Buffer.from('BM normal, no blood in stool.'), 'x.txt')).to.equal('text/plain');
    expect(await detectMediaType(Buffer.from('MZ twins, week 20.'), 'x.txt')).to.equal('text/plain');
  });

  it('accepts a head that ends within a character', async () => {
    expect(await detectMediaType(Buffer.from('über'.repeat(3)).subarray(0, 6), 'x')).to.equal('text/plain');
  });

  it('refuses other formats by their bytes', async () => {
    const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), deflateSync('x')]);
    for (const bytes of [
      png,
      Buffer.from('PK\u0003\u0004binary'),
      Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]),
      Buffer.from([1, 2, 3, 4, 5, 0, 0, 0]),
      Buffer.from('{\\rtf1\\ansi hello}'),
      Buffer.from('<!DOCTYPE html><p>x'),
      Buffer.from([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0]),
    ]) {
      expect(await reasonOf(detectMediaType(bytes, 'report.pdf'))).to.equal('UNSUPPORTED_TYPE');
    }
  });

  it('refuses nothing at all, and text in an encoding that it cannot know', async () => {
    expect(await reasonOf(detectMediaType(Buffer.alloc(0), 'x.pdf'))).to.equal('EMPTY_FILE');
    expect(await reasonOf(detectMediaType(Buffer.from('Ärztin', 'latin1'), 'x.txt'))).to.equal('TEXT_ENCODING');
  });
});
