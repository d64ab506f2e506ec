/** Units by what they measure. Amounts of one kind are compared after conversion: 0.5 g is 500 mg. */

/** What a unit measures, and how many of the kind's base units it is. */
export interface Unit {
  readonly kind: string;
  readonly factor: number;
}

const kinds: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  mass: {
    'kg|kilos?|kilograms?': 1e9,
    'g|gm|grams?|grammes?': 1e6,
    'mg|milligrams?|milligrammes?': 1e3,
    'mcg|µg|ug|micrograms?': 1,
    'ng|nanograms?': 1e-3,
    'pg|picograms?': 1e-6,
  },
  volume: { 'l|lit(?:er|re)s?': 1e6, dl: 1e5, 'ml|cc|millilit(?:er|re)s?': 1e3, 'µl|ul|microlit(?:er|re)s?': 1 },
  amount: { mol: 1e12, 'mmol|millimoles?': 1e9, 'µmol|umol|micromoles?': 1e6, nmol: 1e3, pmol: 1 },
  activity: { 'iu|ie|units?|u': 1, 'miu|mu': 1e-3 },
  equivalents: { 'meq|milliequivalents?': 1 },
  percent: { '%|percent|per cent|percentage points?': 1 },
  time: {
    'weeks?|wks?': 604_800,
    'days?|d': 86_400,
    'hours?|hrs?|h': 3_600,
    'minutes?|mins?': 60,
    'seconds?|secs?|s': 1,
    'milliseconds?|ms': 1e-3,
  },
  months: { 'years?|yrs?|yr|yo|y': 12, 'months?|mos?': 1 },
  length: {
    'km|kilomet(?:er|re)s?': 1e9,
    'm|met(?:er|re)s?': 1e6,
    'cm|centimet(?:er|re)s?': 1e4,
    'mm|millimet(?:er|re)s?': 1e3,
    'µm|um|microns?|micromet(?:er|re)s?': 1,
    nm: 1e-3,
    'inch(?:es)?': 25_400,
  },
  pressure: { 'mmhg|mm hg': 1, 'kpa|kilopascals?': 7.500_62, 'cmh2o|cm h2o': 0.735_56 },
  celsius: { '°c|degrees c(?:elsius)?|celsius': 1 },
  fahrenheit: { '°f|degrees f(?:ahrenheit)?|fahrenheit': 1 },
  rate: { 'bpm|beats per minute|beats/min': 1 },
  energy: { 'kcal|kilocalories?': 1 },
  bases: { 'kb|kilobases?': 1e3, 'bp|base pairs?': 1, 'nucleotides?|nt': 1 },
  money: { '[$€£]': 1 },
};

const table = Object.entries(kinds).flatMap(([kind, units]) =>
  Object.entries(units).map(([pattern, factor]) => ({ pattern: new RegExp(`^(?:${pattern})$`, 'u'), kind, factor })),
);
// Longest first, so that "mg" is not read as "m".
const alternatives = Object.values(kinds)
  .flatMap((units) => Object.keys(units))
  .flatMap((pattern) => pattern.split(/\|(?![^(]*\))/))
  .sort((a, b) => b.length - a.length)
  .join('|');

/** A unit that stands right behind a number, and what it is measured by ("/kg", "per day"); both are in groups. */
export const unitPattern = `(?:[\\s-]?(?<unit>${alternatives})(?![\\p{L}\\d])(?:\\s?(?:/|per\\s)\\s?(?<per>[a-z]{1,12}2?)(?![\\p{L}\\d]))?)`;

/** The unit of a spelling in lower case. */
export function unitOf(spelling: string): Unit | undefined {
  const plain = spelling.replaceAll(/\s+/g, ' ');
  const found = table.find(({ pattern }) => pattern.test(plain));
  return found && { kind: found.kind, factor: found.factor };
}

/** One spelling for what an amount is measured by: "d", "day" and "days" are one. */
export function perOf(spelling: string | undefined): string | undefined {
  if (spelling === undefined) return undefined;
  const unit = unitOf(spelling);
  return unit === undefined ? spelling : `${unit.kind}*${String(unit.factor)}`;
}
