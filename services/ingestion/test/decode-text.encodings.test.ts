import { expect } from 'chai';
import { decodeText } from '../src/domain/decode-text.ts';
import { reasonOf } from './support/upload.ts';

/** The bytes one by one: every boundary is tried. */
async function* bytewise(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (const byte of bytes) yield await Promise.resolve(Uint8Array.of(byte));
}

const decode = async (bytes: Uint8Array, maxChars = 1_000): Promise<string> =>
  (await decodeText(bytewise(bytes), maxChars)).text;

describe('plain text', () => {
  it('is read from UTF-8 and UTF-16, however the bytes are cut', async () => {
    const text = 'Größe 180 cm 😀';
    expect(await decode(Buffer.from(text))).to.equal(text);
    expect(await decode(Buffer.from(`\ufeff${text}`))).to.equal(text);
    expect(await decode(Buffer.from(`\ufeff${text}`, 'utf16le'))).to.equal(text);
    expect(await decode(Buffer.from(`\ufeff${text}`, 'utf16le').swap16())).to.equal(text);
  });

  it('keeps its layout, loses controls, and has one page', async () => {
    const { text, pages, pageCount } = await decodeText(
      bytewise(Buffer.from('a\u0000b  c\r\n\r\n\tindented  \r\n')),
      100,
    );
    expect(text).to.equal('ab  c\n\n\tindented');
    expect(pages).to.deep.equal([{ page: 1, start: 0, end: text.length }]);
    expect(pageCount).to.equal(1);
  });

  it('is refused at the first byte that is not valid, and when it ends within a character', async () => {
    expect(await reasonOf(decode(Buffer.from([0x61, 0xc3, 0x28])))).to.equal('TEXT_ENCODING');
    expect(await reasonOf(decode(Buffer.from('ok ü').subarray(0, 4)))).to.equal('TEXT_ENCODING');
    expect(await reasonOf(decode(Buffer.from([0xff, 0xfe, 0, 0])))).to.equal('TEXT_ENCODING');
  });

  it('is refused when it is too long or says nothing', async () => {
    expect(await reasonOf(decode(Buffer.from('abcd'), 4))).to.equal('none');
    expect(await reasonOf(decode(Buffer.from('abcde'), 4))).to.equal('TEXT_TOO_LARGE');
    expect(await reasonOf(decode(Buffer.from(' \n -- \n')))).to.equal('NO_TEXT');
  });

  it('takes a long run of blanks before a letter in time that grows with its length', async () => {
    const blanks = ' '.repeat(256 * 1024);
    expect((await decode(Buffer.from(`a${blanks}x`), 8 * 1024 * 1024)).length).to.equal(blanks.length + 2);
  });
});
