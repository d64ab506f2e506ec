/**
 * Which words of a text are denied. After NegEx (Chapman et al. 2001): a cue denies the words behind it (some cues those
 * before it) up to a boundary. What stands near the cue is denied for certain; what stands further on may be, and is held
 * against nobody.
 */
import { cueAt, isCueWord, type Token, tokensOf } from './cues.ts';
import { isContent, stemsOf } from './clinical-words.ts';

/** Bits: a word that may be either has both. */
export const affirmed = 1;
export const denied = 2;

/** How each content word (by stem) occurs in a text. */
export type Polarities = ReadonlyMap<string, number>;

const boundaries = new Set('. ; ! ? : but however although though yet except whereas while which who'.split(' '));
const prepositions = new Set(
  'in on at between with for during after before by from to because since due among within per than as when if until'.split(
    ' ',
  ),
);
const subjects = new Set('was were is are has have had he she they it we will should can could may must'.split(' '));

/** What stands further from a cue is none of its. */
const maxScopeTokens = 40;

/** Reads which content words of a text are affirmed, denied, or may be either. */
export function readPolarities(text: string): Polarities {
  const tokens = tokensOf(text);
  const marks = new Array<number>(tokens.length).fill(affirmed);
  for (let at = 0; at < tokens.length; at += 1) {
    const cue = cueAt(tokens, at);
    if (cue === 0) continue;
    if (typeof cue === 'number') at += cue - 1;
    else {
      markForward(tokens, marks, at + cue.length, cue.reach);
      markBack(tokens, marks, at - 1, cue.back);
      at += cue.length - 1;
    }
  }
  const polarities = new Map<string, number>();
  for (const [at, { text: word, isWord }] of tokens.entries()) {
    if (!isWord || isCueWord(word)) continue;
    for (const [stem, flips] of stemsOf(word)) {
      const mark = marks[at] ?? affirmed;
      polarities.set(stem, (polarities.get(stem) ?? 0) | (flips ? turn(mark) : mark));
    }
  }
  return polarities;
}

/** Whether two texts share a word that one surely affirms and the other surely denies. */
export function contradicts(a: Polarities, b: Polarities): boolean {
  for (const [stem, mark] of a) {
    const other = b.get(stem);
    if (other !== undefined && (mark & other) === 0) return true;
  }
  return false;
}

/** How many cues a text has. */
export function countNegations(text: string): number {
  const tokens = tokensOf(text);
  let count = 0;
  for (let at = 0; at < tokens.length; at += 1) {
    const cue = cueAt(tokens, at);
    if (typeof cue === 'number') at += Math.max(0, cue - 1);
    else {
      count += 1;
      at += cue.length - 1;
    }
  }
  return count + tokens.filter(({ text: word }) => stemsOf(word).some(([, flips]) => flips)).length;
}

function markForward(tokens: readonly Token[], marks: number[], from: number, reach: number): void {
  let [left, isSure] = [reach, true];
  const end = Math.min(tokens.length, from + maxScopeTokens);
  for (let at = from; at < end; at += 1) {
    const { text } = tokens[at] ?? { text: '.' };
    if (boundaries.has(text) || startsClause(tokens, at)) return;
    if (prepositions.has(text) && left < reach) isSure = false;
    if (!isContent(text)) continue;
    const mark = marks[at] ?? affirmed;
    marks[at] = isSure && left > 0 ? turn(mark) : affirmed | denied;
    left -= 1;
  }
}

function markBack(tokens: readonly Token[], marks: number[], from: number, reach: number): void {
  let left = reach;
  const end = Math.max(0, from - maxScopeTokens);
  for (let at = from; at >= end && left > 0; at -= 1) {
    const { text } = tokens[at] ?? { text: '.' };
    if (boundaries.has(text) && text !== ':') return;
    if (!isContent(text)) continue;
    marks[at] = turn(marks[at] ?? affirmed);
    left -= 1;
  }
}

/** "… and was given", ", he takes": somebody goes on with something else. */
function startsClause(tokens: readonly Token[], at: number): boolean {
  const { text } = tokens[at] ?? { text: '' };
  if (text !== 'and' && text !== ',') return false;
  return [1, 2, 3].some((ahead) => subjects.has(tokens[at + ahead]?.text ?? ''));
}

/** The other polarity; what may be either still may. */
function turn(mark: number): number {
  return mark === affirmed ? denied : affirmed | denied;
}
