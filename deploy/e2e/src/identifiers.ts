import { randomInt } from 'node:crypto';

/** Invented identifiers of one invented patient; each run makes others. */
export interface Patient {
  readonly givenName: string;
  readonly familyName: string;
  /** Nine digits. */
  readonly recordNumber: string;
  /** Ten digits of an exchange that is kept for fiction (555). */
  readonly phone: string;
  /** Nine digits of a range that is never issued (900 to 999 stand first). */
  readonly socialSecurity: string;
  /** Year, month from 1, day above 12, so that its order is told from its digits. */
  readonly born: readonly [year: number, month: number, day: number];
  readonly email: string;
}

const syllables = 'bal dor fen gim hul jor kev lum mav nix pod quor rul sab tev vok wex yub zam'.split(' ');

/** A word of four syllables that stands in no dictionary and, by chance, in no other text: it is of this run alone. */
export function inventedWord(): string {
  const parts = Array.from({ length: 4 }, () => syllables[randomInt(syllables.length)] ?? '');
  return parts.join('');
}

/** A patient who does not exist. */
export function inventedPatient(): Patient {
  const [givenName, familyName] = [inventedWord(), inventedWord()].map(capital) as [string, string];
  return {
    givenName,
    familyName,
    recordNumber: digits(4, 3) + digits(7, 6),
    phone: `617555${digits(1, 4)}`,
    socialSecurity: `9${digits(1, 8)}`,
    born: [randomInt(1931, 1969), randomInt(1, 13), randomInt(13, 28)],
    email: `${inventedWord()}@example.org`,
  };
}

/** What stands before the identifiers at the head of a note. */
export const headings = ['Patient', 'Medical record number', 'Social security number', 'Date of birth', 'Telephone'];

/** As a clerk would write them at the head of a note. */
export function writtenOut(patient: Patient, [name, record, security, birth, telephone]: readonly string[]): string {
  const { givenName, familyName, recordNumber, phone, socialSecurity, born, email } = patient;
  const [year, month, day] = born;
  return [
    `${name}: ${givenName} ${familyName}`,
    `${record}: ${grouped(recordNumber, 3, 3, 3)}, ${security}: ${grouped(socialSecurity, 3, 2, 4)}`,
    `${birth}: ${month}/${day}/${year}, ${telephone}: ${grouped(phone, 3, 3, 4)}, ${email}`,
  ].join('\n');
}

/** The words of a patient's name and address: of this run alone. */
export function namesOf({ givenName, familyName, email }: Patient): string[] {
  return [givenName, familyName, email.split('@')[0] ?? ''];
}

/**
 * Finds the numbers and dates of patients in every usual spelling: digits with and without separators, dates in any order and
 * with months in words. A longer number that holds the digits is another number.
 */
export function spellingsOf(patients: readonly Patient[]): RegExp {
  const spellings = patients.flatMap(({ recordNumber, phone, socialSecurity, born }) => [
    ...[recordNumber, phone, socialSecurity].map((number) => [...number].join(`[-\\s.()/_]{0,3}`)),
    ...datesOf(born),
  ]);
  return new RegExp(`(?<!\\d|\\d\\.)(?:${spellings.join('|')})(?!\\d)`, 'gi');
}

function datesOf([year, month, day]: Patient['born']): string[] {
  const [y, m, d] = [`(?:${Math.floor(year / 100)})?${year % 100}`, `0?${month}`, String(day)];
  const name = monthNames[month - 1] ?? '';
  const word = `${name.slice(0, 3)}(?:${name.slice(3)})?`;
  const between = '[-/. ]';
  return [
    `${year}${between}${m}${between}${d}`,
    `${m}${between}${d}${between}${y}`,
    `${d}${between}${m}${between}${y}`,
    `${word}\\.?,? ?${d}(?:st|nd|rd|th)?,? ?${y}`,
    `${d}(?:st|nd|rd|th)?[- .]?(?:of )?${word}[-., ]{0,2}${y}`,
    `${year}${String(month).padStart(2, '0')}${d}`,
  ];
}

const monthNames = 'January February March April May June July August September October November December'.split(' ');
const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);

/** Digits at random, the first of them at least `first`. */
function digits(first: number, count: number): string {
  return Array.from({ length: count }, (_, at) => String(randomInt(at === 0 ? first : 0, 10))).join('');
}

function grouped(number: string, ...lengths: number[]): string {
  let at = 0;
  return lengths.map((length) => number.slice(at, (at += length))).join('-');
}
