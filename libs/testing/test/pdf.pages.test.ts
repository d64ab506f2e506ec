import { expect } from 'chai';
import { imageOnlyPdf, pagesPdf, textPdf } from '../src/index.ts';

const pageObjects = (pdf: Buffer): number => pdf.toString('latin1').match(/\/Type \/Page\b(?!s)/g)?.length ?? 0;

describe('generated PDFs', () => {
  it('have the pages that were asked for', async () => {
    expect(pageObjects(await pagesPdf(12))).to.equal(12);
    expect(pageObjects(await textPdf(['one', 'two']))).to.equal(2);
    expect(pageObjects(await imageOnlyPdf(3))).to.equal(3);
  });

  it('show the text of each page, and none on a page that is a picture', async () => {
    const shown = (await textPdf(['kilo'], { compress: false })).toString('latin1');
    expect(shown)
      .to.match(/BT[\s\S]*ET/)
      .and.to.include(Buffer.from('kilo').toString('hex'));
    expect((await imageOnlyPdf(1, { compress: false })).toString('latin1')).not.to.match(/\bBT\b/);
  });

  it('refuse a text that would run over its page', async () => {
    const failure = await textPdf(['word '.repeat(5_000)]).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(Error);
  });

  it('are encrypted when a password is given', async () => {
    expect((await textPdf(['kilo'], { userPassword: 'secret' })).toString('latin1')).to.include('/Encrypt');
  });
});
