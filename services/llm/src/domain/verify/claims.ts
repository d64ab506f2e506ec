import { type DateFact, readDates, saysDate, saysTime, type TimeFact } from './dates.ts';
import { plainDigits } from '../words.ts';
import { byAmount, compact, type NumberFact, type Numbers, readNumbers, sameAmount, saysNumber } from './numbers.ts';

/** What a text says that can be counted or dated. */
export interface Claims extends Numbers {
  readonly dates: readonly DateFact[];
  readonly times: readonly TimeFact[];
  /** The text as it was read: one form of dashes, digits and widths. */
  readonly plain: string;
}

/** Which kinds of a statement's claims are not in what it cites. */
export interface MissingClaims {
  readonly number: boolean;
  readonly date: boolean;
}

/** Numbers that can only be years are told as dates. */
const isYear = ({ value, unit }: NumberFact): boolean =>
  unit === undefined && Number.isInteger(value) && value >= 1800 && value <= 2100;

export function readClaims(text: string): Claims {
  const plain = plainText(text);
  const { dates, times, rest } = readDates(plain);
  const numbers = readNumbers(rest);
  // Whoever says a date has said its year.
  const years = dates.flatMap(({ readings }) =>
    readings.flatMap(({ year }) => (year === undefined ? [] : [yearFact(year)])),
  );
  return { ...numbers, facts: [...numbers.facts, ...years], dates, times, plain };
}

/**
 * What of a statement's claims the cited text does not say. References in brackets ([1], [2, 3]) behind what they are for claim nothing. Names with
 * numbers in them may also be among those that stand around.
 */
export function missingClaims(statement: string, cited: Claims, around?: ReadonlySet<string>): MissingClaims {
  const { facts, ranges, pairs, names, dates, times } = readClaims(statement.replaceAll(reference, ' '));
  const told = byAmount(cited.facts, (fact) => fact);
  const missing = facts.filter((fact) => fact.isFirm && !saysNumber(fact, told));
  const toldRanges = byAmount(cited.ranges, ([low]) => low);
  const toldPairs = new Set(cited.pairs);
  const toldNames = names.length > 0 ? namesIn(cited) : new Set<string>();
  const undated =
    dates.some((date) => !saysDate(date, cited.dates)) || times.some((time) => !saysTime(time, cited.times));
  return {
    number:
      missing.some((fact) => !isYear(fact)) ||
      ranges.some(
        ([from, to]) => !toldRanges.near(from).some(([low, high]) => sameAmount(from, low) && sameAmount(to, high)),
      ) ||
      pairs.some((pair) => !toldPairs.has(pair)) ||
      names.some((found) => !around?.has(found) && !toldNames.has(found)),
    date: undated || missing.some(isYear),
  };
}

/** Whether two texts have the same numbers, dates and times. */
export function sameFigures(a: string, b: string): boolean {
  const [left, right] = [missingClaims(a, readClaims(b)), missingClaims(b, readClaims(a))];
  return !left.number && !left.date && !right.number && !right.date;
}

/** Followed by no word: "[500] mg" is a dose. */
const reference = /\[\s*\d{1,3}(?:\s*[,;-]\s*\d{1,3})*\s*\](?=\s*(?:[.,;:!?)[]|$))/g;
/** "Stage IV": a number as well. */
const roman =
  /(?<=\b(?:stages?|grades?|class|types?|phases?|factors?|groups?|category|nerve)\s)(?:VI{1,3}|I[VX]|XI{0,2}|V|I{1,3})(?=[A-C]?\b)/gu;
const romans = ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X', 'XI', 'XII'];

function yearFact(value: number): NumberFact {
  return { value, unit: undefined, per: undefined, bound: undefined, isFirm: false, start: 0, end: 0 };
}

/** Names of the cited text, also those that are written apart: "IL 6" for "IL-6". */
function namesIn({ names, plain }: Claims): ReadonlySet<string> {
  const apart = plain.matchAll(/(?<![\p{L}\d])(\p{L}{1,24})[\s-]?(\d{1,9})(?![\p{L}\d])/gu);
  return new Set([...names, ...Array.from(apart, ([, word = '', number = '']) => compact(word) + number)]);
}

/** "5·5", as British journals have it; "5·10^6" is a product. */
const decimalMiddot = /(?<=\d)\u00b7(?=\d)(?!10\s?\^)/gu;

function plainText(text: string): string {
  return plainDigits(text)
    .replaceAll(/(?<=\d)[\u2009\u202f\u00a0](?=\d{3}(?!\d))/gu, ',')
    .replaceAll(/(?<=\d)[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]+/gu, (found) => `^${found}`)
    .replaceAll(/(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])/gu, ' ')
    .normalize('NFKC')
    .replaceAll(decimalMiddot, '.')
    .replaceAll(/\u03bc/gu, '\u00b5')
    .replaceAll(/[\u2010-\u2015\u2212]/gu, '-')
    .replaceAll('\u00ad', '')
    .replaceAll('\u2044', '/')
    .replaceAll(roman, (found) => String(romans.indexOf(found) + 1));
}
