/** Mistakes of every kind in sentences of real texts: how many are caught, and how often a right one is refused. */
import { expect } from 'chai';
import { splitSentences } from '../src/domain/sentences.ts';
import { createVerifier } from '../src/domain/verify/verify-statement.ts';
import { mutations, randomOf, slip } from './support/mutations.ts';
import { sharedLines, textLine } from './support/shared-data.ts';
import { sourceOf } from './support/sources.ts';

/** In case the collections are absent. */
const invented = [
  'The patient was admitted on 3 March 2024 with acute chest pain that was worse before meals.',
  'Metformin 500 mg was started twice daily and atorvastatin was increased to 40 mg in April 2023.',
  'There was no evidence of pneumonia, and the left lung was clear on 12 June 2022.',
  'Blood pressure was not controlled after 6 weeks, so that the dose is higher than before.',
  'Gastritis can cause mild pain, which is treated with 20 mg of omeprazole for 14 days.',
  'Mortality increased from 3.5% to 8.2% in patients who were older than 65 years.',
  'Vaccination is recommended in December 2021 for adults without contraindications.',
];
const shares: Readonly<Record<string, number>> = {
  number: 0.95,
  unit: 0.95,
  date: 0.9,
  swappedNumbers: 0.7,
  denied: 0.95,
  affirmed: 0.9,
  opposite: 0.95,
  name: 0.95,
};
const sentencesPerCollection = 150;

for (const collection of ['invented', 'covidqa', 'medquad', 'pubmedqa']) {
  const texts = collection === 'invented' ? [invented.join('\n\n')] : readTexts(collection);
  // A collection that is absent is left out.
  if (texts.length === 0) continue;
  describe(`verifier: sentences of ${collection}`, () => {
    const random = randomOf(11);
    const sentences = texts.flatMap((text) => {
      const found = splitSentences(text).map(({ start, end }) => text.slice(start, end));
      return found.filter((sentence) => sentence.split(' ').length >= 6).map((sentence) => ({ sentence, text }));
    });

    const check = (statement: string, quote: string, text: string) =>
      createVerifier([sourceOf({ text })]).verify({ text: statement, quotes: [{ sourceNumber: 1, quote }] }).problems;

    it('accepts every one that quotes itself', () => {
      for (const { sentence, text } of sentences) expect(check(sentence, sentence, text), sentence).to.deep.equal([]);
    });

    it('finds nearly every quote with slips of the pen', () => {
      const missed = sentences.filter(({ sentence, text }) => check(sentence, slip(sentence, random), text).length > 0);
      expect(missed.length).to.be.at.most(1 + Math.ceil(0.15 * sentences.length));
    });

    it('finds no quote that is invented', () => {
      const quote = 'The committee on parking met in the town hall on a rainy afternoon.';
      for (const { sentence, text } of sentences)
        expect(check(sentence, quote, text)).to.deep.equal(['quote-not-found']);
    });

    for (const [kind, mutate] of Object.entries(mutations)) {
      const wrong = sentences.flatMap(({ sentence, text }) => {
        const statement = mutate(sentence, random);
        return statement === undefined ? [] : [{ statement, sentence, text }];
      });
      // Not every kind of mistake can be made in these sentences.
      if (wrong.length === 0) continue;
      it(`catches mistakes of the kind "${kind}"`, () => {
        const missed = wrong.filter(({ statement, sentence, text }) => check(statement, sentence, text).length === 0);
        const allowed = Math.ceil((1 - (shares[kind] ?? 1)) * wrong.length);
        expect(missed.length, missed.map(({ statement }) => statement).join('\n')).to.be.at.most(allowed);
      });
    }
  });
}

function readTexts(collection: string): string[] {
  const texts = sharedLines(`${collection}/corpus.jsonl`, textLine)?.map(({ text }) => text) ?? [];
  const random = randomOf(5);
  const chosen: string[] = [];
  for (let sentences = 0; sentences < sentencesPerCollection && texts.length > 0;) {
    const text = texts[Math.floor(random() * texts.length)]?.slice(0, 1_500) ?? '';
    sentences += splitSentences(text).length;
    chosen.push(text);
  }
  return chosen;
}
