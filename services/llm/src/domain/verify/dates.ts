/** Dates and times of a text, whatever their spelling: "3 March 2024", "March 3rd, 2024", "2024-03-03" and "3.3.2024" are one. */

/** A date as far as it is told. Of a spelling that can be read in two ways (3/4/2024) both readings are kept. */
export interface DateReading {
  readonly year?: number;
  readonly month?: number;
  readonly day?: number;
}

export interface DateFact {
  readonly readings: readonly DateReading[];
}

/** A time of day in minutes; without "am" or "pm" before one in the afternoon it can be either. */
export interface TimeFact {
  readonly readings: readonly number[];
}

export interface DatesAndTimes {
  readonly dates: readonly DateFact[];
  readonly times: readonly TimeFact[];
  /** The text with blanks in place of what was read, so that nobody takes a day for a number. */
  readonly rest: string;
}

const month =
  '(?<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\.?(?![a-z])';
const day = '(?<day>\\d{1,2})(?:st|nd|rd|th)?';
const year = '(?<year>(?:1[6-9]|20|21)\\d\\d)';
const start = '(?<![\\p{L}\\d./-])';
const end = '(?![\\d/])(?!\\.\\d)';
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** By order: what holds more is looked for first. */
const spellings: readonly RegExp[] = [
  `${start}${year}-(?<month>\\d{1,2})-(?<day>\\d{1,2})(?=T\\d|\\b)`,
  `${start}${year}/(?<month>\\d{1,2})/(?<day>\\d{1,2})${end}`,
  `${start}(?<first>\\d{1,2})(?<mark>[./-])(?<second>\\d{1,2})\\k<mark>(?<year>\\d{4}|\\d{2})${end}`,
  `${start}${day}(?:\\s+of)?[\\s-]+${month}(?:,?[\\s-]+${year}|[\\s-]+'(?<short>\\d{2})|-(?<short2>\\d{2}))?${end}`,
  `${start}${month}[\\s-]+${day}(?:(?:,\\s*|[\\s-]+)${year})?${end}`,
  `${start}${month},?[\\s-]+(?:of\\s+)?${year}${end}`,
  `${start}(?<month>0?[1-9]|1[0-2])/${year}${end}`,
  `${start}${month}`,
].map((pattern) => new RegExp(pattern, 'giu'));

const clock =
  /(?<![\p{L}\d.,:/])(?<hour>[01]?\d|2[0-3])(?:(?::(?<minute>[0-5]\d)(?::[0-5]\d)?)\s?(?<half>[ap]\.?m\b\.?)?|\s?(?<half2>[ap]\.?m\b\.?))(?![\d:])/giu;

/** Reads the dates and times of a text. */
export function readDates(text: string): DatesAndTimes {
  const dates: DateFact[] = [];
  const times: TimeFact[] = [];
  let rest = text;
  for (const spelling of spellings) {
    rest = rest.replaceAll(spelling, (found, ...more: unknown[]) => {
      const readings = readingsOf(
        found,
        more.at(-1) as Record<string, string | undefined>,
        rest,
        more.at(-3) as number,
      );
      if (readings.length === 0) return found;
      dates.push({ readings });
      return ' '.repeat(found.length);
    });
  }
  rest = rest.replaceAll(clock, (found, ...more: unknown[]) => {
    times.push({ readings: minutesOf(more.at(-1) as Record<string, string | undefined>) });
    return ' '.repeat(found.length);
  });
  return { dates, times, rest };
}

/** Whether one of the dates says all that a date says. */
export function saysDate({ readings }: DateFact, told: readonly DateFact[]): boolean {
  return told.some((other) => readings.some((wanted) => other.readings.some((reading) => covers(reading, wanted))));
}

/** Whether one of the times is this time. */
export function saysTime({ readings }: TimeFact, told: readonly TimeFact[]): boolean {
  return told.some((other) => other.readings.some((reading) => readings.includes(reading)));
}

function covers(reading: DateReading, wanted: DateReading): boolean {
  return (['year', 'month', 'day'] as const).every(
    (part) => wanted[part] === undefined || wanted[part] === reading[part],
  );
}

function readingsOf(
  found: string,
  parts: Readonly<Record<string, string | undefined>>,
  text: string,
  at: number,
): DateReading[] {
  const { first, second } = parts;
  const told = { year: yearOf(parts['year'] ?? parts['short'] ?? parts['short2']), day: numberOf(parts['day']) };
  if (first !== undefined && second !== undefined) {
    const [a, b] = [Number(first), Number(second)];
    const readings = [
      { ...told, day: a, month: b },
      { ...told, day: b, month: a },
    ];
    return readings.filter(isDate).map(withoutGaps);
  }
  const name = parts['month'] ?? '';
  const numeric = numberOf(/^\d+$/.test(name) ? name : undefined);
  const reading = { ...told, month: numeric ?? months.indexOf(name.slice(0, 3).toLowerCase()) + 1 };
  const isAlone = reading.year === undefined && reading.day === undefined;
  // "may" and "march" are verbs too, and "mar", "sep" or "dec" may be anything: a month is written with a capital.
  if (numeric === undefined && reading.year === undefined && !/\p{Lu}/u.test(found)) return [];
  if (isAlone && (name.length < 4 || /^march$/i.test(name)) && !afterPreposition.test(text.slice(0, at))) return [];
  return isDate(reading) ? [withoutGaps(reading)] : [];
}
const afterPreposition = /\b(?:in|since|until|till|during|of|by|from|to|last|next|and|early|late|mid)[\s-]$/i;

function isDate({ month: m, day: d }: { month?: number | undefined; day?: number | undefined }): boolean {
  return (m === undefined || (m >= 1 && m <= 12)) && (d === undefined || (d >= 1 && d <= 31));
}

function withoutGaps(reading: { [Part in keyof DateReading]: DateReading[Part] | undefined }): DateReading {
  return Object.fromEntries(Object.entries(reading).filter(([, value]) => value !== undefined));
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

/** A year of two digits below 50 is of this century. */
function yearOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text.length === 4 ? Number(text) : Number(text) + (Number(text) < 50 ? 2000 : 1900);
}

function minutesOf(parts: Readonly<Record<string, string | undefined>>): number[] {
  const [hour, minute] = [Number(parts['hour']), Number(parts['minute'] ?? 0)];
  const half = (parts['half'] ?? parts['half2'])?.toLowerCase();
  if (half === undefined)
    return hour >= 1 && hour < 12 ? [hour * 60 + minute, (hour + 12) * 60 + minute] : [hour * 60 + minute];
  return [((hour % 12) + (half.startsWith('p') ? 12 : 0)) * 60 + minute];
}
