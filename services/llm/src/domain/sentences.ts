/** A stretch of a text: `text.slice(start, end)`. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Longer stretches (tables, lists without marks) are cut at a line end, a semicolon or a blank. */
const maxSentenceLength = 480;
/** A line shorter than this share of its block's longest line ends on purpose, not for lack of room. */
const shortLineShare = 0.7;

/** Control characters, and marks that turn the direction of text: never part of a sentence, hence never shown. */
const unprintable = /[[\p{Cc}\p{Cf}\ufffd]--[\t\n\r\xad\u200c\u200d]]+/v;
const blankLine = /\n[^\S\n]*(?:\n[^\S\n]*)+/u;
const listMark = /^[^\S\n]*(?:[-–—•▪◦‣·*o]|\(?\d{1,2}[.)]|\(?[a-z][.)])[^\S\n]+/u;
/** "Heart rate: 72", "CONCLUSION: we found". */
const label = /^\s*\p{Lu}[\p{L}\p{N} /()-]{0,40}:\s/u;
// It begins where a run of stops begins, or a text of nothing but dots would be tried from each of them.
const endOfSentence = /(?<![.!?…])[.!?…]+["'”’»)\]]*(?=\s+["'“‘«([]*[\p{Lu}\p{Lt}\p{N}])|[。！？]+[」』）]*/gu;
/** What stands before a full stop is looked at no further back than this. */
const longestAbbreviation = 12;
const abbreviations = new Set(
  (
    'dr mr mrs ms prof st jr sr vs no nos fig figs tab eq eqs ref refs al approx ca cf eg ie e.g i.e etc resp vol pp p ' +
    'ed eds inc ltd co corp dept univ est max min avg wk wks yr yrs mo hr hrs sec cap tabl inj susp q.d b.i.d t.i.d p.o ' +
    'i.v i.m s.c a.m p.m u.s u.k d.c ph.d m.d jan feb mar apr jun jul aug sep sept oct nov dec'
  ).split(' '),
);

/**
 * The sentences of a text as it comes out of PDFs and notes: line ends may stand in the middle of a sentence, headings,
 * list items and `Label: value` lines have no full stop, and abbreviations have one too many. In order, trimmed, without
 * list marks; each holds a letter or a digit.
 */
export function splitSentences(text: string): Stretch[] {
  return split({ start: 0, end: text.length }, text, unprintable)
    .flatMap((part) => split(part, text, blankLine))
    .flatMap((block) => splitLines(block, text))
    .flatMap((part) => splitAtStops(part, text))
    .flatMap((part) => bound(part, text))
    .map((part) => trim(part, text))
    .filter(({ start, end }) => end > start && /[\p{L}\p{N}]/u.test(text.slice(start, end)));
}

/** Parts between the matches of a pattern. */
function split({ start, end }: Stretch, text: string, separator: RegExp): Stretch[] {
  const parts: Stretch[] = [];
  let from = start;
  for (const match of text.slice(start, end).matchAll(new RegExp(separator.source, `g${separator.flags}`))) {
    parts.push({ start: from, end: start + match.index });
    from = start + match.index + match[0].length;
  }
  parts.push({ start: from, end });
  return parts;
}

/** Cuts a block where a line end means more than that the line was full. */
function splitLines(block: Stretch, text: string): Stretch[] {
  const lines = split(block, text, /\n/u).filter(({ start, end }) => text.slice(start, end).trim() !== '');
  const longest = Math.max(0, ...lines.map(({ start, end }) => end - start));
  const parts: Stretch[] = [];
  for (const [index, line] of lines.entries()) {
    const before = lines[index - 1];
    const last = parts.at(-1);
    if (last && before && !endsOnPurpose(before, line, text, longest)) {
      parts[parts.length - 1] = { start: last.start, end: line.end };
    } else parts.push(line);
  }
  return parts;
}

function endsOnPurpose(line: Stretch, next: Stretch, text: string, longest: number): boolean {
  const [here, after] = [text.slice(line.start, line.end).trimEnd(), text.slice(next.start, next.end)];
  if (listMark.test(after) || label.test(after)) return true;
  const beginsAnew = /^\s*(?:\[|["'“‘«(]*[\p{Lu}\p{N}])/u.test(after);
  if (!beginsAnew) return false;
  if (/[.!?…:]["'”’)\]]*$/u.test(here)) return true;
  // A heading, a table's row or a label with its value: shorter than the lines that were broken for lack of room.
  return here.length < longest * shortLineShare || !here.includes(' ');
}

function splitAtStops(part: Stretch, text: string): Stretch[] {
  const parts: Stretch[] = [];
  const content = text.slice(part.start, part.end);
  let from = 0;
  for (const match of content.matchAll(endOfSentence)) {
    const end = match.index + match[0].length;
    const before = content.slice(Math.max(from, match.index - longestAbbreviation), match.index);
    if (match[0].startsWith('.') && isAbbreviation(before)) continue;
    parts.push({ start: part.start + from, end: part.start + end });
    from = end;
  }
  parts.push({ start: part.start + from, end: part.end });
  return parts;
}

/** Whether what stands before a full stop needs one of its own: "Dr", "et al", an initial, a list's number. */
function isAbbreviation(before: string): boolean {
  const word = /[\p{L}\p{N}.]+$/u.exec(before)?.[0] ?? '';
  if (/^\p{Lu}$/u.test(word)) return true;
  if (/^\d{1,2}$/u.test(word) && before.trim() === word) return true;
  return abbreviations.has(word.toLowerCase());
}

function bound(part: Stretch, text: string): Stretch[] {
  const parts: Stretch[] = [];
  let { start } = part;
  while (part.end - start > maxSentenceLength) {
    const room = text.slice(start, start + maxSentenceLength);
    const at = [room.lastIndexOf('\n'), room.lastIndexOf('; '), room.lastIndexOf(' ')].find(
      (index) => index > maxSentenceLength / 3,
    );
    const end = start + (at ?? wholeCharacters(room)) + (at === undefined ? 0 : 1);
    parts.push({ start, end });
    start = end;
  }
  parts.push({ start, end: part.end });
  return parts;
}

/** Length of a text without half a surrogate pair at its end. */
function wholeCharacters(text: string): number {
  return /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length;
}

function trim({ start, end }: Stretch, text: string): Stretch {
  const content = text.slice(start, end);
  const mark = listMark.exec(content)?.[0].length ?? 0;
  const lead = content.length - content.slice(mark).trimStart().length;
  return { start: Math.min(end, start + lead), end: Math.max(start + lead, start + content.trimEnd().length) };
}
