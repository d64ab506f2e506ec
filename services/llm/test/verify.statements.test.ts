import { expect } from 'chai';
import { createVerifier, type StatementProblem } from '../src/domain/verify/verify-statement.ts';
import type { ModelQuote } from '../src/ports.ts';
import { sourceOf } from './support/sources.ts';

/** Problems of a statement that cites the whole of a text, each line a sentence. */
function problems(statement: string, cited: string, title = ''): readonly StatementProblem[] {
  const source = sourceOf({ text: cited, title });
  return createVerifier([source]).verify({ text: statement, quotes: [{ sourceNumber: 1, quote: cited }] }).problems;
}

describe('verifier: negation', () => {
  for (const [said, told] of [
    ['He does not smoke.', 'He does not smoke.'],
    ['The patient is a nonsmoker.', 'He is a non-smoker.'],
    ['There was no pneumonia.', 'CT showed no evidence of pneumonia.'],
    ['Pneumonia was ruled out.', 'CT showed no evidence of pneumonia.'],
    ['He denies chest pain.', 'No chest pain.'],
    ['He has no chest pain or fever.', 'He denies chest pain, fever and cough.'],
    ['Influenza test was negative.', 'Negative for influenza.'],
    ['He was afebrile.', 'He was not febrile.'],
    ['Warfarin was stopped because of bleeding.', 'Warfarin was stopped because of bleeding, and there was no fever.'],
    ['Aspirin was given.', 'The patient had no fever and was given aspirin.'],
    ['It improved not only in children.', 'It improved not only in children but also in adults.'],
    ['No more than 5 tablets were taken.', 'At most 5 tablets were taken.'],
  ] as const) {
    it(`takes "${said}" from "${told}"`, () => {
      expect(problems(said, told)).to.deep.equal([]);
    });
  }

  for (const [said, told] of [
    ['He smokes.', 'He does not smoke.'],
    ['He does not smoke.', 'He smokes.'],
    ['The patient smokes.', 'He is a non-smoker.'],
    ['CT showed pneumonia.', 'CT showed no evidence of pneumonia.'],
    ['There is an allergy to penicillin.', 'There is no allergy to penicillin.'],
    ['Surgery was done with complications.', 'Surgery was done without complications.'],
    ['He reports chest pain.', 'He denies chest pain.'],
    ['Pulmonary embolism was found.', 'Pulmonary embolism was ruled out.'],
    ['The influenza test was positive.', 'The influenza test was negative.'],
    ['The patient is stable.', 'The patient is unstable.'],
    ['He was symptomatic.', 'He was asymptomatic.'],
    ['He never smoked.', 'He smoked for years.'],
    ['Fever was present.', 'Absence of fever.'],
    ['It improved until day 5.', 'It did not improve until day 5.'],
    ['He cannot walk.', 'He can walk.'],
    ["He can't walk.", 'He can walk.'],
    ['Warfarin was stopped.', 'Warfarin was not stopped.'],
    ['He no longer takes warfarin.', 'He takes warfarin.'],
    ['Aspirin is indicated.', 'Aspirin is contraindicated.'],
    ['Aspirin is contraindicated in asthma.', 'Aspirin is indicated in asthma.'],
  ] as const) {
    it(`does not take "${said}" from "${told}"`, () => {
      expect(problems(said, told)).to.include('negation-differs');
    });
  }

  it('reads the sentence that a quote is cut out of', () => {
    const source = sourceOf({ text: 'There is no known penicillin allergy. He takes aspirin.' });
    const statement = {
      text: 'He has a penicillin allergy.',
      quotes: [{ sourceNumber: 1, quote: 'penicillin allergy' }],
    };
    expect(createVerifier([source]).verify(statement).problems).to.deep.equal(['negation-differs']);
  });
});

describe('verifier: opposites and exchanges', () => {
  for (const [said, told, problem] of [
    ['The left lung was clear.', 'The right lung was clear.', 'negation-differs'],
    ['Mortality increased with age.', 'Mortality decreased with age.', 'negation-differs'],
    ['Methotrexate is taken daily.', 'Methotrexate is taken weekly.', 'negation-differs'],
    ['He has hypotension.', 'He has hypertension.', 'negation-differs'],
    ['The isolate was sensitive to cefazolin.', 'The isolate was resistant to cefazolin.', 'negation-differs'],
    ['She was seronegative for rubella.', 'She was seropositive for rubella.', 'negation-differs'],
    ['Take warfarin every day.', 'Take warfarin every other day.', 'negation-differs'],
    ['Take warfarin on alternate days.', 'Take warfarin daily.', 'negation-differs'],
    ['Take a tablet of digoxin daily.', 'Take half a tablet of digoxin daily.', 'negation-differs'],
    ['Take a double dose of digoxin.', 'Take one dose of digoxin.', 'negation-differs'],
    ['Hepatitis C was found.', 'Hepatitis B was found.', 'number-not-in-source'],
    ['He takes vitamin K.', 'He takes vitamin D.', 'number-not-in-source'],
    ['The brother died of sepsis.', 'The brother survived sepsis.', 'negation-differs'],
    ['Metoprolol was given orally.', 'Metoprolol was given intravenously.', 'negation-differs'],
    [
      'He takes metformin 10 mg and lisinopril 500 mg.',
      'He takes metformin 500 mg and lisinopril 10 mg.',
      'number-not-in-source',
    ],
    ['Risk was lower in men and lower in women.', 'Risk was higher in men and lower in women.', 'negation-differs'],
  ] as const) {
    it(`does not take "${said}" from "${told}"`, () => {
      expect(problems(said, told)).to.include(problem);
    });
  }

  it('takes a word for another of its direction', () => {
    expect(problems('Take warfarin on alternate days.', 'Take warfarin every other day.')).to.deep.equal([]);
    expect(problems('Take digoxin daily.', 'Take digoxin every day.')).to.deep.equal([]);
    expect(problems('He had hepatitis C.', 'He had hepatitis B and C.')).to.deep.equal([]);
    expect(problems('A man had influenza A.', 'Influenza A was found in a man.')).to.deep.equal([]);
    expect(problems('He saw doctor J. Smith.', 'He saw doctor Smith.')).to.deep.equal([]);
    expect(problems('Mortality rose with age.', 'Mortality was higher with age.')).to.deep.equal([]);
  });
});

describe('verifier: what is borne out', () => {
  const source = sourceOf({
    title: 'Metformin leaflet',
    text: 'Take one tablet twice daily with food. Side effects are nausea and diarrhoea.\nThe kidneys are checked every year.',
  });
  const verify = (text: string, ...quotes: string[]) =>
    createVerifier([source]).verify({ text, quotes: quotes.map((quote): ModelQuote => ({ sourceNumber: 1, quote })) });

  it('takes the words of several quotes together', () => {
    const said = 'Nausea and diarrhoea are side effects, and the kidneys are checked every year.';
    expect(verify(said, 'nausea and diarrhoea', 'kidneys are checked every year').problems).to.deep.equal([]);
  });

  it('counts what stands around for half', () => {
    expect(verify('Metformin is taken with food.', 'with food').problems).to.deep.equal([]);
  });

  for (const [what, text, quote, problem] of [
    ['something else', 'The patient should see a cardiologist soon.', 'twice daily with food', 'not-borne-out'],
    ['nothing', 'Yes.', 'twice daily with food', 'not-borne-out'],
    [
      'the name of a drug that is not there',
      'Take one rosuvastatin tablet twice daily with food.',
      'twice daily with food',
      'not-borne-out',
    ],
    [
      'a number that is not there',
      'Take one tablet four times daily with food.',
      'twice daily with food',
      'number-not-in-source',
    ],
    [
      'a date that is not there',
      'The kidneys are checked every year in March.',
      'The kidneys are checked',
      'date-not-in-source',
    ],
    ['more than anybody can check', 'with food '.repeat(500), 'with food', 'not-borne-out'],
  ] as const) {
    it(`refuses a statement that says ${what}`, () => {
      expect(verify(text, quote).problems).to.deep.equal([problem]);
    });
  }

  it('refuses a statement without a quote, and one with a quote that is not found beside one that is', () => {
    expect(verify('Take one tablet twice daily.').problems).to.deep.equal(['no-quote']);
    const { problems: found, quotes } = verify(
      'Take one tablet twice daily.',
      'one tablet twice daily',
      'three tablets at night',
    );
    expect(found).to.deep.equal(['quote-not-found']);
    expect(quotes).to.have.length(1);
  });
});
