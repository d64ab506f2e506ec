import { expect } from 'chai';
import { attachment } from '../src/http/content-disposition.ts';

describe('attachment', () => {
  const cases: [string, string][] = [
    ['report.pdf', `attachment; filename="report.pdf"; filename*=UTF-8''report.pdf`],
    ["it's (1)*.pdf", `attachment; filename="it's (1)*.pdf"; filename*=UTF-8''it%27s%20%281%29%2A.pdf`],
    ['a"b\\c%41.pdf', `attachment; filename="a_b_c_41.pdf"; filename*=UTF-8''a%22b_c%2541.pdf`],
    ['../../etc/passwd', `attachment; filename=".._.._etc_passwd"; filename*=UTF-8''.._.._etc_passwd`],
    ['Ünïcode €.pdf', `attachment; filename="_n_code _.pdf"; filename*=UTF-8''%C3%9Cn%C3%AFcode%20%E2%82%AC.pdf`],
    ['🩺.txt', `attachment; filename="_.txt"; filename*=UTF-8''%F0%9F%A9%BA.txt`],
    ['a\r\nX: y', `attachment; filename="a__X: y"; filename*=UTF-8''a__X%3A%20y`],
    ['', `attachment; filename="document"; filename*=UTF-8''document`],
    ['..', `attachment; filename="document"; filename*=UTF-8''document`],
    ['lone \ud800', `attachment; filename="lone _"; filename*=UTF-8''lone%20%EF%BF%BD`],
  ];
  for (const [name, header] of cases) {
    it(`writes ${JSON.stringify(name)}`, () => {
      expect(attachment(name)).to.equal(header);
    });
  }
});
