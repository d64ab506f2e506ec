import { expect } from 'chai';
import { searchableText, termsOf } from '../src/domain/analyse.ts';

describe('analysis of text', () => {
  const cases: readonly (readonly [what: string, text: string, terms: readonly string[]])[] = [
    ['lower case, no stop words, no English endings', 'The Patients were running', ['patient', 'run']],
    ['words of negation', 'no fever, not without pain', ['no', 'fever', 'not', 'without', 'pain']],
    ['one spelling of widths, ligatures and soft hyphens', 'ＡＢＣ ﬁne co\u00adoperate', ['abc', 'fine', 'cooper']],
    ['numbers whole', '7.35 1,000 140/90', ['7.35', '1,000', '140', '90']],
    ['doses whole, and their parts', '20mg 0.5ml', ['20mg', '20', 'mg', '0.5ml', '0.5', 'ml']],
    ['codes whole, and their category', 'E11.9 M54.50', ['e11.9', 'e11', 'm54.50', 'm54']],
    ['dotted abbreviations, with and without dots', 'b.i.d. q.h.s', ['b.i.d', 'bid', 'q.h.s', 'qhs']],
    ['hyphenated terms whole, and their parts', 'COVID-19 T‑cell', ['covid-19', 'covid', '19', 't-cell', 't', 'cell']],
    ['drug names whole', 'omeprazole furosemide metformin', ['omeprazole', 'furosemide', 'metformin']],
    ['names with apostrophes', 'Crohn’s O’Brien', ['crohn', "o'brien", 'brien']],
    ['words with digits whole', 'HbA1c B12', ['hba1c', 'b12']],
    ['sentences without a blank between them', 'mg.The next', ['mg', 'next']],
    ['other scripts', 'Ödeme größer', ['ödeme', 'größer']],
    ['scripts without blanks, by pairs', '心電図', ['心電', '電図']],
    ['nothing of punctuation', '--- … !!', []],
  ];
  for (const [what, text, terms] of cases) {
    it(`gives ${what}`, () => {
      expect(termsOf(text)).to.deep.equal(terms);
    });
  }

  it('gives what is indexed and what is asked the same terms', () => {
    const pairs = [
      ['metoprolol tartrate 25mg', 'Metoprolol 25 mg'],
      ['SARS‑CoV‑2 infection', 'sars-cov-2 infections'],
      ['type-2 diabetes', 'type 2 diabetes'],
    ] as const;
    for (const [text, question] of pairs) {
      const indexed = new Set(termsOf(text));
      expect(
        termsOf(question).every((term) => indexed.has(term)),
        question,
      ).to.equal(true);
    }
  });

  it('bounds what one word may be', () => {
    expect(termsOf('x'.repeat(100_000))).to.deep.equal(['x'.repeat(64)]);
    expect(termsOf(Array.from({ length: 9 }, (_, at) => `p${String(at)}`).join('-'))).to.have.length(9);
  });

  for (const unit of ['fever-', "fever'", 'fever.', '12,', '2-', 'b.', 'ا', 'é', '心']) {
    it(`gives of a long line no more than stands there: ${unit} joined`, () => {
      const text = unit.repeat(20_000);
      const terms = termsOf(text);
      expect(terms.length).to.be.within(1, text.length);
      expect(terms.join('').length).to.be.at.most(2 * text.length);
    });
  }

  it('puts the title before the text, once and not for long', () => {
    expect(searchableText(' Letter ', 'words')).to.equal('Letter\nwords');
    expect(searchableText('Letter', 'Letter of words')).to.equal('Letter of words');
    expect(searchableText('', 'words')).to.equal('words');
    expect(searchableText('x'.repeat(1_000), 'words').length).to.equal(166);
  });
});
