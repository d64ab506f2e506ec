import { stemmer } from 'stemmer';
import { fold, wordOrNumber } from './words.ts';

/** What kind of answer a question asks for, as far as its words tell. */
export type QuestionType = 'amount' | 'time' | 'dose' | 'person' | 'place' | 'cause' | 'definition' | 'other';

/** A question, as the selection of sentences needs it. */
export interface Question {
  /** Stems of its content words, without repetition, in order. */
  readonly terms: readonly string[];
  readonly type: QuestionType;
}

/** Words that say nothing of what is asked. Negations are not among them: "without", "not" and "no" are content. */
const stopWords = new Set(
  (
    'a about an and any are as at be been being by can could did do does doing for from had has have having he her hers ' +
    'him his i if in into is it its itself me might mine my of on or our ours she should so some such than that the ' +
    'their theirs them then there these they this those to too us was we were what when where which who whom whose why ' +
    'will with would you your yours how many much please tell give show list explain describe patient patients ' +
    'according document documents also may must shall just'
  ).split(' '),
);

/** Whether a word (in lower case) says nothing of what is asked or told. */
export function isStopWord(word: string): boolean {
  return stopWords.has(word);
}

/** The stem of a word in lower case; what is not a plain English word stays as it is. */
export function stemOf(word: string): string {
  return /^[a-z]+$/.test(word) ? stemmer(word) : word;
}

/** Spellings of the same negation, so that a question with "without" finds a sentence with "no". */
const negations = new Map([
  ['no', 'not'],
  ['none', 'not'],
  ['without', 'not'],
  ['never', 'not'],
  ['cannot', 'not'],
  ['denies', 'not'],
  ['denied', 'not'],
]);

/** Stems of a text's content words, in order, with repetition. Numbers stay whole: 2.5 is one term, and 120/80 as well. */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  const plain = fold(text).replace(/n['’]t\b/gu, ' not');
  for (const [found] of plain.matchAll(wordOrNumber)) {
    const term = negations.get(found) ?? found;
    if (stopWords.has(term)) continue;
    terms.push(stemOf(term));
  }
  return terms;
}

/** Reads a question. */
export function readQuestion(text: string): Question {
  const type = questionType(text.toLowerCase());
  const terms = [...new Set(termsOf(text))];
  const asked = namesOfType[type];
  const subject = asked === undefined ? terms : terms.filter((term) => !asked.includes(term));
  return { terms: subject.length === 0 ? terms : subject, type };
}

/** Words that only name what is asked for (stems): a sentence answers with a dose or a date, not with the word. */
const namesOfType: Partial<Record<QuestionType, readonly string[]>> = {
  dose: ['dose', 'dosag', 'often'],
  amount: ['number', 'percentag', 'proport', 'percent'],
  time: ['year', 'date', 'month', 'dai', 'time', 'soon'],
  cause: ['caus', 'reason', 'becaus'],
};

const types: readonly (readonly [QuestionType, RegExp])[] = [
  ['dose', /\b(dose|dosage|dosing|how much|mg|how often)\b/],
  [
    'amount',
    /\b(how (many|large|long|old|high|low|big|far|common|frequent)|what (percentage|proportion|number|size|rate|share|fraction)|percent|number of|sample size|incidence|prevalence)\b/,
  ],
  ['time', /\b(when|what (year|date|month|day|time)|since when|how soon)\b/],
  ['person', /\b(who|whom|whose)\b/],
  ['place', /\b(where|which (country|city|hospital)|what (country|city))\b/],
  ['cause', /\b(why|what causes?|cause of|reason|because)\b/],
  ['definition', /^\s*(what|who) (is|are|was|were)\b|\bdefin(e|ition)\b/],
];

function questionType(question: string): QuestionType {
  return types.find(([, pattern]) => pattern.test(question))?.[0] ?? 'other';
}

const number =
  /\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|half|once|twice)\b/i;
const unit =
  /\d\s*(?:mg|mcg|µg|μg|g|kg|ml|l|iu|units?|mmol|meq|%|tablets?|capsules?|puffs?|drops?)\b|\b(?:once|twice|three times|daily|weekly|every|nightly|prn|bid|tid|qid)\b/i;
const time =
  /\b(?:1[89]|20)\d\d\b|\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|days?|weeks?|months?|years?|hours?|minutes?)\b/i;
const cause =
  /\b(?:because|due to|caused? by|owing to|result(?:s|ed)? (?:from|of)|leads? to|cause[sd]?|therefore|since|attribut)/i;
const name = /(?<!^)(?<![.!?]\s)\b\p{Lu}\p{Ll}+/u;

/** Whether a sentence holds the kind of thing that a question of this type asks for; true for types without a mark. */
export function fits(type: QuestionType, sentence: string): boolean {
  if (type === 'amount') return number.test(sentence);
  if (type === 'dose') return unit.test(sentence) || number.test(sentence);
  if (type === 'time') return time.test(sentence);
  if (type === 'cause') return cause.test(sentence);
  if (type === 'person' || type === 'place') return name.test(sentence);
  if (type === 'definition')
    return /\b(?:is|are|was|were|refers? to|means?|defined as|called|known as)\b/i.test(sentence);
  return true;
}
