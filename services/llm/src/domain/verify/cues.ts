/** Tokens of a text, and the cues among them that deny what stands around. */
import { fold } from '../words.ts';

export interface Token {
  readonly text: string;
  readonly isWord: boolean;
}

export interface Cue {
  /** Tokens it is made of. */
  readonly length: number;
  /** Content words behind it that are denied for certain. */
  readonly reach: number;
  /** Content words before it that are. */
  readonly back: number;
}

const token = /[\p{L}\p{M}\p{N}]+(?:['’]\p{L}+)?(?:[-‐‑][\p{L}\p{N}]+)*|[^\s\p{L}\p{N}]/gu;
/** Bound on the words of a text that are looked at. */
const maxTokens = 4_000;
/** "no evidence of pneumonia, effusion or oedema": what a noun's negation reaches. */
const nounReach = 6;
/** "was not given aspirin": what a verb's negation reaches. */
const verbReach = 2;
const backReach = 4;

const nounCues = new Set(
  'no without denies denied deny denying neither nor none lacks lacked lacking kein keine keinen keiner keines ohne sans aucun aucune'.split(
    ' ',
  ),
);
const verbCues = new Set('not never unable fails failed nicht nie jamais nunca'.split(' '));
const phraseCues: readonly (readonly [string, Omit<Cue, 'length'>])[] = [
  ['absence of', { reach: nounReach, back: 0 }],
  ['lack of', { reach: nounReach, back: 0 }],
  ['free of', { reach: nounReach, back: 0 }],
  ['free from', { reach: nounReach, back: 0 }],
  ['negative for', { reach: nounReach, back: 0 }],
  ['no longer', { reach: verbReach, back: 0 }],
  ['ruled out', { reach: nounReach, back: backReach }],
  ['were excluded', { reach: 0, back: backReach }],
  ['was excluded', { reach: 0, back: backReach }],
];
const backCues = new Set(['absent', 'negative']);
/** They look like cues and deny nothing. */
const pseudoCues = [
  'not only',
  'not just',
  'no more than',
  'not more than',
  'no less than',
  'not less than',
  'no fewer than',
  'no later than',
  'no earlier than',
  'no greater than',
  'not greater than',
  'not necessarily',
  'no matter',
  'negative pressure',
];
const firstWords = new Set(
  [...phraseCues.map(([phrase]) => phrase), ...pseudoCues].map((phrase) => phrase.split(' ')[0]),
);
/** The words and marks of a text, in lower case. */
export function tokensOf(text: string): Token[] {
  const plain = fold(text)
    .replaceAll(/\u00ad|(?<=\p{Ll})[-\u2010]\n\s*(?=\p{Ll})/gu, '')
    .replaceAll(/\bwon['’]t\b/gu, 'will not')
    .replaceAll(/\bcan(?:['’]t|not)\b/gu, 'can not')
    .replaceAll(/(?<=\p{L})n['’]t\b/gu, ' not');
  const tokens: Token[] = [];
  for (const [found] of plain.matchAll(token)) {
    tokens.push({ text: found, isWord: /^[\p{L}\p{N}]/u.test(found) });
    if (tokens.length === maxTokens) break;
  }
  return tokens;
}

/** The cue that begins here; otherwise how many tokens deny nothing though they look like it, 0 for none. */
export function cueAt(tokens: readonly Token[], at: number): Cue | number {
  const word = tokens[at]?.text ?? '';
  if (firstWords.has(word)) {
    const ahead = tokens
      .slice(at, at + 3)
      .map(({ text }) => text)
      .join(' ');
    const pseudo = pseudoCues.find((phrase) => ahead === phrase || ahead.startsWith(`${phrase} `));
    if (pseudo !== undefined) return pseudo.split(' ').length;
    const phrase = phraseCues.find(([words]) => ahead === words || ahead.startsWith(`${words} `));
    if (phrase) return { length: phrase[0].split(' ').length, ...phrase[1] };
  }
  // "No, he does not": an answer, not a negation.
  if (nounCues.has(word))
    return tokens[at + 1]?.text === ',' && at === 0
      ? 1
      : { length: 1, reach: nounReach, back: word === 'none' ? backReach : 0 };
  if (verbCues.has(word)) return { length: 1, reach: verbReach, back: 0 };
  if (backCues.has(word)) return { length: 1, reach: 0, back: backReach };
  return 0;
}

/** Whether a word is a cue by itself. */
export function isCueWord(word: string): boolean {
  return nounCues.has(word) || verbCues.has(word);
}
