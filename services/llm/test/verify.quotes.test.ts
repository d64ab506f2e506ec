import { expect } from 'chai';
import { citedBy } from '../src/domain/verify/cited.ts';
import { byAmount, readNumbers } from '../src/domain/verify/numbers.ts';
import { type FoundQuote, maxPartsOfQuote, readSource } from '../src/domain/verify/quotes.ts';
import { createVerifier, maxPlacesOfStatement } from '../src/domain/verify/verify-statement.ts';
import type { AnswerSource } from '../src/ports.ts';
import { sourceOf } from './support/sources.ts';

const note = sourceOf({
  title: 'Discharge summary',
  text:
    'The patient was ad\u00admitted on 3 March 2024 be-\ncause of a \ufb01rst-degree block \u2013 he was \u201cdizzy\u201d.\n' +
    'Warfarin 2.5 mg was stopped because of severe gastrointestinal bleeding in the night.\n' +
    'Clearance was 10\u2076 units. He is a non-smoker.',
  pageBreaks: [
    { page: 4, chunkOffset: 0 },
    { page: 5, chunkOffset: 90 },
  ],
});
const other = sourceOf({ number: 2, title: 'Leaflet', text: 'Metformin is taken with food in the morning.' });

/** The words that are cited for a quote, and the problems of finding them. */
function look(quote: string, { page, source = 1, sources = [note, other] }: Looking = {}) {
  const claimed = { sourceNumber: source, quote, ...(page === undefined ? {} : { page }) };
  const { problems, quotes } = createVerifier(sources).verify({ text: 'Warfarin bleeding', quotes: [claimed] });
  const found = quotes.map(({ source: its, start, end, match }) => ({
    words: its.text.slice(start, end),
    match,
    number: its.number,
  }));
  const ofQuote = ['no-quote', 'quote-not-found', 'wrong-source', 'wrong-page'];
  return { found, problems: problems.filter((problem) => ofQuote.includes(problem)), quotes };
}
interface Looking {
  readonly page?: number;
  readonly source?: number;
  readonly sources?: readonly AnswerSource[];
}

describe('verifier: quotes that stand in the source', () => {
  for (const [what, quote, words] of [
    ['word for word', 'Warfarin 2.5 mg was stopped', 'Warfarin 2.5 mg was stopped'],
    ['in another case', 'WARFARIN 2.5 MG was Stopped', 'Warfarin 2.5 mg was stopped'],
    ['with other white space', ' Warfarin  2.5\tmg\nwas stopped ', 'Warfarin 2.5 mg was stopped'],
    ['over a soft hyphen', 'was admitted on 3 March', 'was ad\u00admitted on 3 March'],
    ['over a word broken at a line end', '2024 because of', '2024 be-\ncause of'],
    ['with letters for a ligature', 'a first-degree block', 'a \ufb01rst-degree block'],
    ['without a hyphen', 'nonsmoker', 'non-smoker'],
    ['with another dash and plain quotes', 'block - he was "dizzy"', 'block \u2013 he was \u201cdizzy\u201d'],
    ['in quotation marks', '"Warfarin 2.5 mg was stopped"', 'Warfarin 2.5 mg was stopped'],
    ['with a full stop where the source goes on', 'Warfarin 2.5 mg was stopped.', 'Warfarin 2.5 mg was stopped'],
    ['with the full stop that is there', 'in the night.', 'in the night.'],
    ['with an exponent', '10\u2076 units', '10\u2076 units'],
  ] as const) {
    it(`finds one ${what}, and cites the source's own words`, () => {
      expect(look(quote)).to.deep.include({ found: [{ words, match: 'exact', number: 1 }], problems: [] });
    });
  }

  it('gives the place in the document and its page', () => {
    const [found] = look('severe gastrointestinal bleeding').quotes;
    expect(found?.start).to.equal(note.text.indexOf('severe'));
    expect(look('severe gastrointestinal bleeding', { page: 5 }).problems).to.deep.equal([]);
  });

  it('finds the parts of a quote with an ellipsis, in their order', () => {
    const { found, problems } = look('Warfarin 2.5 mg was stopped \u2026 in the night');
    expect(problems).to.deep.equal([]);
    expect(found.map(({ words }) => words)).to.deep.equal(['Warfarin 2.5 mg was stopped', 'in the night']);
    expect(look('in the night ... Warfarin 2.5 mg was stopped').problems).to.deep.equal(['quote-not-found']);
  });

  it('takes of several places the one whose sentence has the words of the statement', () => {
    const source = sourceOf({ text: 'It was stopped. Then warfarin was started; after bleeding it was stopped.' });
    expect(look('it was stopped', { sources: [source] }).quotes[0]?.start).to.equal(source.text.lastIndexOf('it was'));
  });

  it('takes of several places one on the page that is named', () => {
    const source = sourceOf({
      text: 'Dose: 5 mg.\nDose: 5 mg.',
      pageBreaks: [
        { page: 1, chunkOffset: 0 },
        { page: 2, chunkOffset: 12 },
      ],
    });
    expect(look('Dose: 5 mg', { sources: [source], page: 2 })).to.deep.include({ problems: [] });
    expect(look('Dose: 5 mg', { sources: [source], page: 2 }).quotes[0]?.start).to.equal(12);
    expect(look('Dose: 5 mg', { sources: [source], page: 3 }).problems).to.deep.equal(['wrong-page']);
  });
});

describe('verifier: quotes that nearly stand there', () => {
  for (const [what, quote] of [
    ['a slip', 'Warfarin 2.5 mg was stoped because of severe gastrointestinal bleding'],
    [
      'a word left out',
      'Warfarin 2.5 mg was stopped because of severe bleeding in the night'
        .replace('severe ', 'severe gastrointestinal ')
        .replace('the ', ''),
    ],
    ['other marks', 'Warfarin 2.5 mg, was stopped; because of severe, gastrointestinal bleeding'],
  ] as const) {
    it(`finds one with ${what}, and says how alike it is`, () => {
      const { found, problems, quotes } = look(quote);
      expect(problems).to.deep.equal([]);
      expect(found[0]?.match).to.equal('fuzzy');
      expect(quotes[0]?.similarity).to.be.within(0.85, 0.999);
      // What is cited begins and ends with whole words of the source.
      expect(note.text).to.match(new RegExp(`(?<!\\w)${found[0]?.words ?? 'none'}(?!\\w)`));
    });
  }

  for (const [what, quote] of [
    ['a number', 'Warfarin 25 mg was stopped because of severe gastrointestinal bleeding'],
    ['a unit', 'Warfarin 2.5 g was stopped because of severe gastrointestinal bleeding'],
    ['a date', 'admitted on 8 March 2024 because of a first-degree block'],
    ['a negation', 'Warfarin 2.5 mg was not stopped because of severe gastrointestinal bleeding'],
    ['an opposite', 'Warfarin 2.5 mg was started because of severe gastrointestinal bleeding'],
    ['a degree', 'Warfarin 2.5 mg was stopped because of mild gastrointestinal bleeding'],
  ] as const) {
    it(`never takes ${what} for a slip`, () => {
      expect(look(quote)).to.deep.include({ found: [], problems: ['quote-not-found'] });
    });
  }

  for (const [what, quote] of [
    ['is invented', 'The patient was discharged with a prescription for aspirin and metoprolol'],
    ['is of few letters', 'warfaron 2.5 mg'],
    ['begins in the middle of a number', '5 mg was stopped'],
    ['drops an exponent', '106 units'],
    ['is nothing but marks', ' \u2026 "" - '],
    ['is empty', ''],
    ['is longer than any', 'warfarin '.repeat(1_000)],
  ] as const) {
    it(`does not find one that ${what}`, () => {
      expect(look(quote)).to.deep.include({ found: [], problems: ['quote-not-found'] });
    });
  }
});

describe('verifier: quotes that stand elsewhere', () => {
  it('says so when the words are of another source, and where they stand', () => {
    expect(look('Metformin is taken with food')).to.deep.include({
      found: [{ words: 'Metformin is taken with food', match: 'exact', number: 2 }],
      problems: ['wrong-source'],
    });
    expect(look('Metformin is taken with food', { source: 9 }).problems).to.deep.equal(['wrong-source']);
  });

  it('says so when they are on another page, and where they stand', () => {
    const { found, problems } = look('severe gastrointestinal bleeding', { page: 4 });
    expect(problems).to.deep.equal(['wrong-page']);
    expect(found[0]?.words).to.equal('severe gastrointestinal bleeding');
  });

  it('looks no further than its bounds, whatever a document and a model make up', () => {
    const text = 'ab'.repeat(4_000);
    const verifier = createVerifier([sourceOf({ text })]);
    const quote = `${'ab'.repeat(200)} ${'ba'.repeat(199)}`;
    const quotes = Array.from({ length: 500 }, () => ({ sourceNumber: 1, quote }));
    for (let times = 0; times < 20; times += 1) {
      expect(verifier.verify({ text: 'ab', quotes }).problems).to.include('quote-not-found');
    }
  });
});

describe('verifier: quotes that make much work', () => {
  /** Verdicts on as many statements as an answer may have, each with as many quotes. */
  const answer = (sources: readonly AnswerSource[], quote: string) => {
    const verifier = createVerifier(sources);
    const quotes = Array.from({ length: 16 }, () => ({ sourceNumber: 1, quote }));
    return Array.from({ length: 200 }, () => verifier.verify({ text: 'Some words', quotes }).problems);
  };
  const many = (text: string) => Array.from({ length: 50 }, (_, at) => sourceOf({ number: at + 1, text }));

  it('looks for a letter that stands in every word of fifty sources no longer than is bounded', () => {
    for (const verdict of answer(many('a'.repeat(8_000)), 'a')) expect(verdict).to.deep.equal(['quote-not-found']);
  });

  it('compares the claims of what nearly stands everywhere in a text without blanks no longer than is bounded', () => {
    const quote = `${'a'.repeat(21)}b`;
    for (const verdict of answer([sourceOf({ text: 'a'.repeat(8_000) })], quote)) {
      expect(verdict).to.deep.equal(['quote-not-found']);
    }
  });

  it('still finds a word that stands by itself behind many that hold it', () => {
    const source = sourceOf({ text: `${'metal '.repeat(200)}is called a met.` });
    expect(look('met', { sources: [source] }).found[0]?.words).to.equal('met');
  });
});

describe('verifier: how much it reads', () => {
  const long = sourceOf({
    title: 'Ward round',
    text: Array.from({ length: 40 }, (_, at) => `part ${String.fromCodePoint(97 + (at % 26))}${String(at)} here`).join(
      ' and ',
    ),
  });
  const partsOf = (from: number, count: number) =>
    Array.from(
      { length: count },
      (_, at) => `part ${String.fromCodePoint(97 + ((from + at) % 26))}${String(from + at)} here`,
    );
  const verify = (quotes: readonly string[]) =>
    createVerifier([long]).verify({
      text: 'The part is here.',
      quotes: quotes.map((quote) => ({ sourceNumber: 1, quote })),
    });

  it('looks for no more than four parts of a quote', () => {
    const apart = (count: number) => Array.from({ length: count }, (_, at) => partsOf(at * 7, 1)[0]).join(' ... ');
    expect(verify([apart(maxPartsOfQuote)]).quotes).to.have.length(maxPartsOfQuote);
    const beyond = verify([apart(maxPartsOfQuote + 1)]);
    expect(beyond.quotes).to.deep.equal([]);
    expect(beyond.problems).to.include('quote-not-found');
  });

  it('takes no more than 16 places of a statement', () => {
    const quotes = Array.from({ length: 8 }, (_, at) => partsOf(at * 4, 4).join(' ... '));
    expect(verify(quotes.slice(0, 4)).problems).not.to.include('quote-not-found');
    const { quotes: found, problems } = verify(quotes);
    expect(found).to.have.length(maxPlacesOfStatement);
    expect(problems).to.include('quote-not-found');
  });

  it('reads a sentence, those around and a title once, however many quotes stand in it', () => {
    const source = sourceOf({ title: 'Letter', text: 'He came. Warfarin was stopped because of bleeding. He left.' });
    const at = (word: string): FoundQuote => {
      const start = source.text.indexOf(word);
      return { source, start, end: start + word.length, match: 'exact', similarity: 1 };
    };
    const { text, nearby } = citedBy(['Warfarin', 'stopped', 'because', 'bleeding'].map(at), [readSource(source)]);
    expect(text).to.equal('Warfarin was stopped because of bleeding.');
    expect(nearby.split('\n')).to.have.members(['He came.', 'Letter', 'He left.']).and.have.length(3);
  });

  it('compares a number with those of about its amount, not with all', () => {
    const { facts } = readNumbers(Array.from({ length: 5_000 }, (_, at) => `${String(at + 1)} mg`).join('; '));
    const told = byAmount(facts, (fact) => fact);
    for (const wanted of ['250 mg', '0.25 g', '250']) {
      const [fact] = readNumbers(wanted).facts;
      expect(fact && told.near(fact).map(({ value }) => value)).to.deep.equal([250]);
    }
  });
});
