import { expect } from 'chai';
import { cleanFileName, maxFileNameChars, titleOf } from '../src/domain/file-name.ts';

describe('file names', () => {
  const cases: readonly (readonly [given: string, cleaned: string])[] = [
    ['note.pdf', 'note.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\x\\report.pdf', 'report.pdf'],
    ['/srv/upload/', 'document'],
    ['..', 'document'],
    ['.hidden', 'hidden'],
    ['a\u0000b\u0007.pdf', 'ab.pdf'],
    ['two\nlines.txt', 'two lines.txt'],
    ['exe\u202efdp.pdf', 'exefdp.pdf'],
    ['half\ud83dpair.txt', 'halfpair.txt'],
    ['cafe\u0301.pdf', 'caf\u00e9.pdf'],
    ['   ', 'document'],
  ];
  for (const [given, cleaned] of cases) {
    it(`cleans ${JSON.stringify(given)}`, () => {
      expect(cleanFileName(given)).to.equal(cleaned);
    });
  }

  it('keeps the ending of a name that is too long, and no half of a surrogate pair', () => {
    const cleaned = cleanFileName(`${'😀'.repeat(200)}.pdf`);
    expect(cleaned.length).to.be.at.most(maxFileNameChars);
    expect(cleaned).to.match(/\.pdf$/);
    expect(cleaned.isWellFormed()).to.equal(true);
  });

  it('takes a title as given, or the name without its ending', () => {
    expect(titleOf(' Discharge\tsummary ', 'x.pdf')).to.equal('Discharge summary');
    expect(titleOf('', 'visit 3.pdf')).to.equal('visit 3');
    expect(titleOf('\u0001', 'README')).to.equal('README');
  });
});
