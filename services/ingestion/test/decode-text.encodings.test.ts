import { expect } from 'chai';
import { decodeText } from '../src/domain/decode-text.ts';
import { Refused } from '../src/domain/refusal.ts';

const decode = (bytes: Uint8Array, maxChars = 1_000): string => decodeText(bytes, maxChars).text;

function refusalOf(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

describe('plain text', () => {
  it('is read from UTF-8 and UTF-16', () => {
    const text = 'Größe 180 cm 😀';
    expect(decode(Buffer.from(text))).to.equal(text);
    expect(decode(Buffer.from(`\ufeff${text}`))).to.equal(text);
    expect(decode(Buffer.from(`\ufeff${text}`, 'utf16le'))).to.equal(text);
    expect(decode(Buffer.from(`\ufeff${text}`, 'utf16le').swap16())).to.equal(text);
  });

  it('keeps its layout, loses controls, and has one page', () => {
    const { text, pages, pageCount } = decodeText(Buffer.from('a\u0000b  c\r\n\r\n\tindented  \r\n'), 100);
    expect(text).to.equal('ab  c\n\n\tindented');
    expect(pages).to.deep.equal([{ page: 1, start: 0, end: text.length }]);
    expect(pageCount).to.equal(1);
  });

  it('is refused at the first byte that is not valid, and when it ends within a character', () => {
    expect(refusalOf(() => decode(Buffer.from([0x61, 0xc3, 0x28])))).to.equal('TEXT_ENCODING');
    expect(refusalOf(() => decode(Buffer.from('ok ü').subarray(0, 4)))).to.equal('TEXT_ENCODING');
    expect(refusalOf(() => decode(Buffer.from([0xff, 0xfe, 0, 0])))).to.equal('TEXT_ENCODING');
  });

  it('is refused when it is too long or says nothing', () => {
    expect(refusalOf(() => decode(Buffer.from('abcd'), 4))).to.equal('none');
    expect(refusalOf(() => decode(Buffer.from('abcde'), 4))).to.equal('TEXT_TOO_LARGE');
    expect(refusalOf(() => decode(Buffer.from(' \n -- \n')))).to.equal('NO_TEXT');
  });

  it('takes a long run of blanks before a letter in time that grows with its length', () => {
    const blanks = ' '.repeat(256 * 1024);
    expect(decode(Buffer.from(`a${blanks}x`), 8 * 1024 * 1024).length).to.equal(blanks.length + 2);
  });

  it('keeps two of any number of empty lines', () => {
    const many = 8 * 1024 * 1024;
    expect(decode(Buffer.from(`a${'\n'.repeat(many)}b${' \n'.repeat(4)}c\n\nd`), 2 * many)).to.equal(
      'a\n\n\nb\n\n\nc\n\nd',
    );
  });
});
