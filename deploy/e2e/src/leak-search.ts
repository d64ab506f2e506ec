import { clearTextOf, foreignHeaders } from './clear-text.ts';
import { withDecodedReadings } from './encodings.ts';
import { namesOf, spellingsOf } from './identifiers.ts';
import type { ClinicalNote } from './clinical-notes.ts';
import { englishStopWords } from './stop-words.ts';
import { clearLetters, leakedWords, wordsOf } from './vocabulary.ts';

/** Something that was kept or sent: a table's rows, a program's log, an object. */
export interface Piece {
  /** What kind of thing it is, and of which schema or program: what the system says there is known by this name. */
  readonly place: string;
  readonly text: string;
  /** What of it is in clear where that is known better than by the shapes in its text: of a sealed object, its header. */
  readonly clear?: string;
}

/** What must stand nowhere. */
export interface Sought {
  /** Words of four letters or more, in lower case, without those of the stop list. */
  readonly words: ReadonlySet<string>;
  /** Words of this run alone: found inside longer runs of letters too, and never excused. */
  readonly marks: readonly string[];
  /** Numbers and dates of patients in every spelling; never excused. */
  readonly identifiers: RegExp;
}

export interface Leak {
  readonly place: string;
  readonly found: string;
}

/** What stood in a place before any note was there. */
interface KnownOfPlace {
  /** Words that the system itself uses there. */
  readonly words: Set<string>;
  /** Lines and rows that need no second look. */
  readonly lines: Set<string>;
}

/** What the system itself says, by place: a word that it uses in one excuses none in another. */
export type Known = ReadonlyMap<string, KnownOfPlace>;

/** What a PDF says of itself: one that stands somewhere in clear hides its words by compression. */
const fileMarks = ['%pdf-1.', 'flatedecode', 'endstream'];

/** All that the notes, their titles, file names and questions must not be recognised by. */
export function soughtOf(notes: readonly ClinicalNote[]): Sought {
  const texts = notes.flatMap(({ text, title, fileName, question }) => [text, title, fileName, question]);
  const words = [...wordsOf(texts, clearLetters)].filter((word) => !englishStopWords.has(word));
  return {
    words: new Set(words),
    marks: notes.flatMap(({ marks, patient }) => [...marks, ...namesOf(patient)]).map((mark) => mark.toLowerCase()),
    identifiers: spellingsOf(notes.map(({ patient }) => patient)),
  };
}

/** Where the server tells what statements there were, and which ones its sessions were given last. */
const statementsAt = 'database log';
const sessionsAt = 'table pg_catalog.pg_stat_activity';

/** What was there before the notes were: no word and no line of it can have come from a note. */
export function knownFrom(pieces: Iterable<Piece>): Known {
  const known = new Map<string, KnownOfPlace>();
  for (const piece of pieces) {
    const { words, lines } = known.get(piece.place) ?? { words: new Set(), lines: new Set() };
    known.set(piece.place, { words, lines });
    for (const word of wordsOf([clearOf(piece)], clearLetters)) words.add(word);
    for (const word of wordsOf([withDecodedReadings(piece.text)])) words.add(word);
    for (const line of piece.text.split('\n')) lines.add(line);
  }
  // Which statements sessions show is a matter of the moment; the log has all of them, and so all of their words.
  for (const word of known.get(statementsAt)?.words ?? []) known.get(sessionsAt)?.words.add(word);
  return known;
}

/** The same words as known, and the lines of pieces that were searched since, so that what is new is searched alone. */
export function withLinesOf(known: Known, pieces: Iterable<Piece>): Known {
  const more = new Map([...known].map(([place, { words, lines }]) => [place, { words, lines: new Set(lines) }]));
  for (const { place, text } of pieces) for (const line of text.split('\n')) more.get(place)?.lines.add(line);
  return more;
}

/** Whether a word is excused in a place. */
export function isKnown(known: Known, place: string, word: string): boolean {
  return known.get(place)?.words.has(word) ?? false;
}

/** Everything sought that stands in a piece, and is not known of its place. */
export function leaksIn(pieces: Iterable<Piece>, sought: Sought, known: Known): Leak[] {
  const leaks = new Map<string, Leak>();
  for (const piece of pieces) {
    for (const found of foundIn(piece, sought, known.get(piece.place))) {
      leaks.set(`${piece.place}\n${found}`, { place: piece.place, found });
    }
  }
  return [...leaks.values()];
}

function foundIn(piece: Piece, sought: Sought, known: KnownOfPlace | undefined): string[] {
  const text = piece.text
    .split('\n')
    .filter((line) => known?.lines.has(line) !== true)
    .join('\n');
  const raw = withDecodedReadings(text);
  const clear = clearOf({ ...piece, text });
  const words = known?.words ?? new Set<string>();
  return [
    ...leakedWords([clear], sought.words, words, clearLetters),
    ...leakedWords([raw], sought.words, words),
    ...marksIn(raw, sought.marks),
    ...[raw, clear].flatMap((one) => one.match(sought.identifiers) ?? []),
    ...foreignHeaders(text).map((header) => `sealed under ${header}`),
  ];
}

/** No mark is shorter: only runs of so many letters are compared with all of them. */
const markPattern = /[a-z]{12,}/g;

/** Marks that stand in a text in any case, on their own or inside a longer run of letters. */
export function marksIn(text: string, marks: readonly string[]): string[] {
  const lower = text.toLowerCase();
  const runs = [...new Set(lower.match(markPattern) ?? [])];
  const ofRun = marks.filter((mark) => runs.some((run) => run.includes(mark)));
  return [...ofRun, ...fileMarks.filter((mark) => lower.includes(mark))];
}

const clearOf = ({ text, clear }: Piece): string => clear ?? clearTextOf(text);
