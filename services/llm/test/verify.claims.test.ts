import { expect } from 'chai';
import { missingClaims, readClaims } from '../src/domain/verify/claims.ts';

/** What of a statement a text does not say: N for numbers, D for dates. */
function missing(statement: string, cited: string): string {
  const { number, date } = missingClaims(statement, readClaims(cited));
  return `${number ? 'N' : ''}${date ? 'D' : ''}`;
}

describe('verifier: numbers', () => {
  for (const [said, told] of [
    ['2.5 mg', 'Warfarin 2.5 mg daily'],
    ['2.5 mg', 'Warfarin 2,5 mg daily'],
    ['2.50 mg', 'Warfarin 2.5mg'],
    ['0.5 g', '500 mg twice'],
    ['500 mg', '0.5 g'],
    ['250 \u00b5g', '0.25 mg'],
    ['250 mcg', '250 \u03bcg'],
    ['1,200 ml', '1200 mL'],
    ['1200 ml', '1\u202f200 ml'],
    ['1.2 million', '1,200,000 people'],
    ['two tablets', '2 tablets'],
    ['twice daily', 'bid'],
    ['twenty-one days', '21 days'],
    ['14 days', 'for two weeks'],
    ['5 %', '5 percent'],
    ['5 to 10 mg', '5-10 mg'],
    ['5\u201310 mg', 'from 5 mg to 10 mg'],
    ['between 5 and 10', '5-10 mg'],
    ['5 mg', '5-10 mg'],
    ['500 mg', '250, 500 or 750 mg'],
    ['120/80', 'BP 120 / 80 mmHg'],
    ['blood pressure was 120 over 80', '120/80'],
    ['5 days', 'a 5-day course'],
    ['at least 5', '5 or more'],
    ['no more than 5', 'at most 5'],
    ['< 5', 'less than 5'],
    ['-2.5', 'T-score \u22122.5'],
    ['10^6 copies', '10\u2076 copies'],
    ['3 x 10^9', '3 \u00d7 10\u2079'],
    ['1.0 x 10^6', '1.0 \u00d7 10 6'],
    ['100,000', '100 000'],
    ['IL-6 was high', 'IL 6 was high'],
    ['COVID-19', 'covid-19'],
    ['day 5', 'on day-5'],
    ['one of them', 'some of them'],
    ['It rose [3, 4].', 'It rose.'],
    ['It rose [3], and fell [4].', 'It rose and fell.'],
    ['It was shown by Smith [3] in mice.', 'Smith [3] showed it.'],
    ['500 mg', '\u0665\u0660\u0660 mg'],
    ['\u0968.\u096b mg', '2.5 mg'],
    ['\u0662\u066b\u0665 mg', '2.5 mg'],
    ['12 \u066a', '12 %'],
    ['stage IV', 'stage 4'],
    ['5\u00b75 mg', '5.5 mg'],
    ['1\u00b710\u2076 copies', '10^6 copies'],
    ['Stage IIIA disease', 'stage IIIA'],
    ['a 64-year-old man', '64yo M'],
    ['[18F]FDG', 'uptake of [18F]FDG'],
    ['5k units', 'heparin 5k units'],
    ['1 \u00bd tablets', '1\u00bd tablets'],
    ['\u20ac500', '500 \u20ac'],
  ] as const) {
    it(`hears "${said}" in "${told}"`, () => {
      expect(missing(said, told)).to.equal('');
    });
  }

  for (const [said, told] of [
    ['5 mg', '0.5 mg'],
    ['0.5 mg', '5 mg'],
    ['\u0665\u0660\u0660 mg', '\u0665\u0660 mg'],
    ['\u0665\u0660\u0660 mg', '50 mg'],
    ['500 mg', '\u0966\u096b\u0966 mg'],
    ['[500] mg daily', '50 mg daily'],
    ['[4] tablets', '2 tablets'],
    ['5\u00b75 mg', '5 mg'],
    ['5k units', '5 units'],
    ['5 units', '5k units'],
    ['5e3 units', '5 units'],
    ['5e-3 units', '5e-4 units'],
    ['5mio cells', '5 cells'],
    ['stage IV disease', 'stage II disease'],
    ['type I diabetes', 'type 2 diabetes'],
    ['a class III drug', 'a class I drug'],
    ['25 mg', '2.5 mg'],
    ['5 mg', '2.5 mg'],
    ['500 mg', '500 mcg'],
    ['500 mg', '500'],
    ['5 %', '5 patients'],
    ['1.2 g', '1,200 g'],
    ['three tablets', '2 tablets'],
    ['15 days', 'two weeks'],
    ['5-10 mg', '5 mg in the morning and 10 mg at night'],
    ['10-5 mg', '5-10 mg'],
    ['80/120', '120/80'],
    ['120/85', '120/80'],
    ['more than 5', 'less than 5'],
    ['at most 5', 'at least 5'],
    ['2.5', 'T-score -2.5'],
    ['-2.5', 'T-score 2.5'],
    ['106 copies', '10\u2076 copies'],
    ['10 mg/kg', '10 mg/l'],
    ['IL-8 was high', 'IL-6 was high'],
    ['H5N1', 'H1N1'],
    ['type 1 diabetes', 'type 2 diabetes'],
    ['four times', 'three times'],
    ['three million', 'three thousand'],
  ] as const) {
    it(`does not hear "${said}" in "${told}"`, () => {
      expect(missing(said, told)).to.equal('N');
    });
  }
});

describe('verifier: dates and times', () => {
  const spellings = [
    '3 March 2024',
    '3rd of March 2024',
    'March 3, 2024',
    'Mar. 3rd 2024',
    '2024-03-03',
    '2024/3/3',
    '3.3.2024',
    '03/03/2024',
    '3-Mar-24',
  ];
  it('hears a date in any spelling', () => {
    for (const said of spellings) {
      for (const told of spellings)
        expect(missing(`on ${said}.`, `It was ${told}, at noon.`), `${said} in ${told}`).to.equal('');
    }
  });

  for (const [said, told] of [
    ['in March 2024', '3 March 2024'],
    ['in 2024', '3 March 2024'],
    ['on 4 March 2024', '03/04/2024'],
    ['on 3 April 2024', '03/04/2024'],
    ['at 8:30 pm', 'at 20:30'],
    ['at 8:30', 'at 8:30 am'],
    ['he may go', 'he can go'],
    ['in March', 'on March 3'],
  ] as const) {
    it(`hears "${said}" in "${told}"`, () => {
      expect(missing(said, told)).to.equal('');
    });
  }

  for (const [said, told] of [
    ['on 3 March 2024', 'on 3 March 2023'],
    ['on 3 March 2024', 'on 8 March 2024'],
    ['on 3 March 2024', 'on 3 May 2024'],
    ['on 3 March 2024', 'on 3 March'],
    ['on 13 April 2024', '03/04/2024'],
    ['in 2024', 'in 2023'],
    ['at 8:30 am', 'at 20:30'],
    ['at 9:30', 'at 8:30'],
    ['in June', 'in July'],
  ] as const) {
    it(`does not hear "${said}" in "${told}"`, () => {
      expect(missing(said, told)).to.equal('D');
    });
  }

  it('reads in time that grows with the text, not with its square', () => {
    for (const text of [
      '1'.repeat(20_000),
      '1 '.repeat(20_000),
      '1,'.repeat(20_000),
      '1/'.repeat(20_000),
      'a-'.repeat(20_000),
      '3 mar '.repeat(20_000),
      '1:'.repeat(20_000),
    ]) {
      expect(readClaims(text).plain.length).to.be.greaterThan(0);
    }
  });
});
