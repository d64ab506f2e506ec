/** Numbers of a text with their units, ranges and bounds, whatever their spelling. */
import { perOf, type Unit, unitOf, unitPattern } from './units.ts';

export interface NumberFact {
  readonly value: number;
  readonly unit: Unit | undefined;
  /** What the amount is measured by: "/kg", "per day". */
  readonly per: string | undefined;
  /** Whether the text says that it is a bound: "at most 5", "more than 5". */
  readonly bound: 'upper' | 'lower' | undefined;
  /** Whether somebody who repeats the text has to repeat it: "one" and "once" may be mere words. */
  readonly isFirm: boolean;
  readonly start: number;
  readonly end: number;
}

export interface Numbers {
  readonly facts: readonly NumberFact[];
  /** From and to, both in `facts` too. */
  readonly ranges: readonly (readonly [NumberFact, NumberFact])[];
  /** Values that belong together, as they stand: a blood pressure, a ratio. */
  readonly pairs: readonly string[];
  /**
   * Numbers that are part of a name, as they stand: IL-6, H1N1, B12; and those that go on with letters: 18F, 5k. Also letters that
   * say which one: the C of hepatitis C.
   */
  readonly names: readonly string[];
}

const words = new Map(
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty'
    .split(' ')
    .map((word, value) => [word, value]),
);
for (const [index, word] of 'thirty forty fifty sixty seventy eighty ninety'.split(' ').entries()) {
  words.set(word, 30 + 10 * index);
}
/** Also the abbreviations of prescriptions. */
const times: readonly (readonly [string, number])[] = [
  ['once', 1],
  ['twice', 2],
  ['thrice', 3],
  ...(['b.i.d.', 'bid', 'b.d.', 'bds'] as const).map((word) => [word, 2] as const),
  ...(['t.i.d.', 'tid', 'tds'] as const).map((word) => [word, 3] as const),
  ...(['q.i.d.', 'qid', 'qds'] as const).map((word) => [word, 4] as const),
];
for (const [word, value] of times) words.set(word, value);
const softWords = new Set(['one', 'once', 'zero']);
const scales = new Map([
  ['hundred', 100],
  ['thousand', 1_000],
  ['million', 1e6],
  ['billion', 1e9],
]);

const escape = (text: string): string => text.replaceAll('.', '\\.');
const wordAlternatives = [...words.keys()]
  .sort((a, b) => b.length - a.length)
  .map(escape)
  .join('|');
/** A blank before "000" parts thousands; before other figures it may as well part two numbers. */
const digits = '\\d{1,3}(?:,\\d{3})+(?:\\.\\d+)?(?![\\d])|\\d{1,3}(?:\\s000)+(?!\\d)|\\d+(?:[.,]\\d+)?|\\.\\d+';
const number = new RegExp(
  `(?<![\\p{L}\\d.,^]|\\p{L}-)(?<money>[$€£]\\s?)?(?:(?<digits>${digits})(?:\\s?[x×·*]\\s?10[\\s^]?(?<exponent>-?\\d{1,2})(?!\\d))?(?:\\^(?<power>-?\\d{1,2}))?(?:st|nd|rd|th)?|(?<word>${wordAlternatives})(?:[\\s-](?<ones>one|two|three|four|five|six|seven|eight|nine))?(?![\\p{L}\\d]))(?:[\\s-](?<scale>hundred|thousand|million|billion)(?!\\p{L}))?${unitPattern}?(?!\\.?\\d)`,
  'giu',
);
/** A name with a number in it: the digits say which one, not how many. */
const name =
  /(?<![\p{L}\d]|[\p{L}\d]-)(?=[\p{L}-]{0,40}\d)\p{L}[\p{L}\d]{0,40}(?:-[\p{L}\d]{1,40}){0,8}(?![\p{L}\d])/gu;
/** Not an article, nor an initial before a name. */
const letter = /(?<=\p{Ll}[\s-])[A-HJ-Z](?![\p{L}\p{N}'’]|\.\s?\p{L}|\s\p{Lu})/gu;
const pair =
  /(?<![\p{L}\d./:])\d{1,4}(?:\.\d+)?\s?(?:\/|:)\s?\d{1,4}(?:\.\d+)?(?![\d/:]|\.\d)|(?<![\d.])\d{2,3}\s+over\s+\d{2,3}(?!\d)/gu;

const down =
  /(?:<|≤|<=|\b(?:less|fewer|lower|smaller|younger|earlier|shorter) than|\b(?:below|under|at most|up to|within|maximum(?: of)?|not exceed(?:ing)?))\s*$/iu;
const up =
  /(?:>|≥|>=|\b(?:more|greater|higher|larger|older|later|longer) than|\b(?:above|over|at least|exceed(?:s|ed|ing)?|minimum(?: of)?))\s*$/iu;
const turned =
  /\b(?:no|not)\s+(?:less|fewer|lower|smaller|more|greater|higher|larger|longer|shorter|later|earlier) than\s*$/iu;
const downAfter = /^\s*(?:or|and)\s+(?:less|fewer|lower|below|younger|under)\b/iu;
const upAfter = /^(?:\s*\+(?!\d)|\s*(?:or|and)\s+(?:more|greater|higher|above|older|over)\b)/iu;
/** How far before a number its bound is looked for. */
const boundChars = 24;

/** Letters that stand right behind a number and are no unit may say how many times it is meant: they go with it. */
const maxLettersBehind = 24;
const lettersBehind = /^(?:e[+-]?\d{1,3}|\p{Script=Latin}[\p{Script=Latin}\d]*)/iu;
const multiple = /^(?:e[+-]?\d|(?:k|mio|mil|mln|mrd|bn|tn)(?!\p{L}))/iu;

/** Reads the numbers of a text from which dates have been taken out. */
export function readNumbers(text: string): Numbers {
  const names = [...text.matchAll(name)].map(({ 0: found }) => compact(found));
  // "day-5" is a name as well, and somebody may write "day 5" for it.
  const ofNames = names.flatMap((found) =>
    [...found.matchAll(/\d+/g)].map(({ 0: figures }) => softFact(Number(figures))),
  );
  for (const [found] of text.matchAll(letter)) names.push(found.toLowerCase());
  const pairs: string[] = [];
  for (const { 0: found } of text.matchAll(pair))
    pairs.push(found.replaceAll(/\s+over\s+/g, '/').replaceAll(/\s/g, ''));
  const facts: NumberFact[] = [];
  for (const match of text.matchAll(number)) {
    const [goesOn] = lettersBehind.exec(text.slice(endOf(match), endOf(match) + maxLettersBehind)) ?? [];
    if (goesOn !== undefined && match.groups?.['digits'] !== undefined) names.push((match[0] + goesOn).toLowerCase());
    if (goesOn === undefined || !multiple.test(goesOn)) facts.push(factOf(match, text));
  }
  const ranges: [NumberFact, NumberFact][] = [];
  const complete = [...facts, ...ofNames];
  for (const [index, fact] of facts.entries()) {
    const next = facts[index + 1];
    if (!next) break;
    const between = text.slice(fact.end, next.start);
    const isRange = /^\s*(?:-|to|through)\s*$/iu.test(between) || isBetween(text, fact, between);
    const lent =
      fact.unit === undefined && next.unit !== undefined ? { ...fact, unit: next.unit, per: next.per } : fact;
    if (isRange) ranges.push([lent, next]);
    // In "250, 500 or 750 mg" all are milligrams.
    if (lent !== fact && (isRange || /^\s*(?:,|\/|(?:,\s*)?(?:or|and))\s*$/iu.test(between))) complete.push(lent);
  }
  return { facts: complete, ranges, pairs, names };
}

/** Whether one of the facts says this number, with its unit and no other bound. */
export function saysNumber(wanted: NumberFact, told: Amounts<NumberFact>): boolean {
  return told.near(wanted).some((fact) => sameAmount(wanted, fact) && !contrary(wanted.bound, fact.bound));
}

/** Things by the amount that they are found by, so that a text full of numbers is not compared with another one by one. */
export interface Amounts<Thing> {
  /** Those that may be of this amount: all that are, and few others. */
  near(wanted: NumberFact): readonly Thing[];
}

/** Digits that amounts have in common when they may be the same: `near` asks for a few more. */
const keyDigits = 9;

export function byAmount<Thing>(things: readonly Thing[], factOf: (thing: Thing) => NumberFact): Amounts<Thing> {
  const found = new Map<string, Thing[]>();
  const put = (key: string, thing: Thing): void => {
    const before = found.get(key);
    if (before) before.push(thing);
    else found.set(key, [thing]);
  };
  for (const thing of things) {
    const { value, unit } = factOf(thing);
    put(keyOf(undefined, value), thing);
    if (unit) put(keyOf(unit.kind, value * unit.factor), thing);
  }
  return {
    near({ value, unit }) {
      const amount = value * (unit?.factor ?? 1);
      // The amounts beside it may be written with another last digit.
      const keys = new Set([1 - 1e-9, 1, 1 + 1e-9].map((by) => keyOf(unit?.kind, amount * by)));
      return [...keys].flatMap((key) => found.get(key) ?? []);
    },
  };
}

function keyOf(kind: string | undefined, amount: number): string {
  return `${kind ?? ''} ${amount.toPrecision(keyDigits)}`;
}

/** Whether two facts are of one amount. A number without a unit is also said by one with a unit, not the other way round. */
export function sameAmount(wanted: NumberFact, told: NumberFact): boolean {
  if (wanted.unit === undefined) return near(wanted.value, told.value);
  if (told.unit?.kind !== wanted.unit.kind) return false;
  if (wanted.per !== undefined && told.per !== undefined && wanted.per !== told.per) return false;
  return near(wanted.value * wanted.unit.factor, told.value * told.unit.factor);
}

/** A name with a number as it is compared: without hyphens and case. */
export function compact(found: string): string {
  return found.toLowerCase().replaceAll(/[\s-]/g, '');
}

function factOf(match: RegExpExecArray, text: string): NumberFact {
  const { digits: figures, word, ones, scale, exponent, power, unit, per, money } = match.groups ?? {};
  const [start, end] = [match.index, endOf(match)];
  let value = figures === undefined ? (words.get(word?.toLowerCase() ?? '') ?? 0) : valueOf(figures);
  if (ones !== undefined) value += words.get(ones.toLowerCase()) ?? 0;
  if (scale !== undefined) value *= scales.get(scale.toLowerCase()) ?? 1;
  if (exponent !== undefined) value *= 10 ** Number(exponent);
  if (power !== undefined) value **= Number(power);
  if (isNegative(text, start) && figures !== undefined) value = -value;
  const isFirm = word === undefined || scale !== undefined || unit !== undefined || !softWords.has(word.toLowerCase());
  const named = unit === undefined ? money?.trim() : unit.toLowerCase();
  const bound = boundOf(text.slice(Math.max(0, start - boundChars), start), text.slice(end, end + boundChars));
  return {
    value,
    unit: named === undefined ? undefined : unitOf(named),
    per: perOf(per?.toLowerCase()),
    bound,
    isFirm,
    start,
    end,
  };
}

function endOf(match: RegExpExecArray): number {
  return match.index + match[0].length;
}

function softFact(value: number): NumberFact {
  return { value, unit: undefined, per: undefined, bound: undefined, isFirm: false, start: 0, end: 0 };
}

/** "1,200" is a thousand and two hundred, "2,5" two and a half, "100 000" a hundred thousand. */
function valueOf(figures: string): number {
  if (/\s/.test(figures)) return Number(figures.replaceAll(/\s/g, ''));
  if (/^[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$/.test(figures)) return Number(figures.replaceAll(',', ''));
  return Number(figures.replace(',', '.'));
}

/** A minus, and not the dash of a range or of a compound. */
function isNegative(text: string, start: number): boolean {
  return (
    /(?:^|[\s(=:<>])-$/u.test(text.slice(Math.max(0, start - 2), start)) &&
    !/[\d%]\s+-$/u.test(text.slice(Math.max(0, start - 4), start))
  );
}

function boundOf(before: string, after: string): NumberFact['bound'] {
  const [isDown, isUp] = [down.test(before) || downAfter.test(after), up.test(before) || upAfter.test(after)];
  if (isDown === isUp) return undefined;
  return isDown === turned.test(before) ? 'lower' : 'upper';
}

function isBetween(text: string, fact: NumberFact, between: string): boolean {
  return (
    /^\s*and\s*$/iu.test(between) &&
    /\b(?:between|from)\s*$/iu.test(text.slice(Math.max(0, fact.start - boundChars), fact.start))
  );
}

function contrary(a: NumberFact['bound'], b: NumberFact['bound']): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}
