/** Ways in which a model gets a sentence wrong, for tests and measurements: each makes one mistake, or none where it finds no place for it. */

/** Numbers from 0 to 1, the same every time (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Mutation = (sentence: string, random: () => number) => string | undefined;

const figure = /(?<![\p{L}\d.,/:^-])\d+(?:\.\d+)?(?![\p{L}\d/:]|[.,]\d|-\p{L})(?![^[]*\])/gu;
const months = 'January February March April May June July August September October November December'.split(' ');
const turned: readonly (readonly [string, string])[] = [
  ['increase', 'decrease'],
  ['increased', 'decreased'],
  ['increases', 'decreases'],
  ['higher', 'lower'],
  ['high', 'low'],
  ['more', 'less'],
  ['left', 'right'],
  ['before', 'after'],
  ['positive', 'negative'],
  ['acute', 'chronic'],
  ['mild', 'severe'],
  ['upper', 'lower'],
  ['improved', 'worsened'],
  ['daily', 'weekly'],
  ['hypertension', 'hypotension'],
];

export const mutations: Readonly<Record<string, Mutation>> = {
  /** Another number: a digit is changed, or the decimal point moved. */
  number: (sentence, random) =>
    replaceOne(sentence, figure, random, (found) => {
      if (random() < 0.5) return found.includes('.') ? found.replace('.', '') : `${found}0`;
      const at = found.search(/\d/);
      return `${found.slice(0, at)}${String((Number(found[at]) % 9) + 1)}${found.slice(at + 1)}`;
    }),
  /** Another unit. */
  unit: (sentence, random) =>
    replaceOne(
      sentence,
      /(?<=\d\s?)(?:mg|ml|kg|μg|µg|mcg|%|hours?|days?|weeks?|months?|years?)(?![\p{L}\d])/gu,
      random,
      (found) => {
        if (found === 'mg') return 'g';
        if (found === '%') return ' mg';
        return /^(?:ml|kg|μg|µg|mcg)$/.test(found) ? 'mg' : found.startsWith('day') ? 'weeks' : 'days';
      },
    ),
  /** Another month or year. */
  date: (sentence, random) =>
    replaceOne(
      sentence,
      /\b(?:January|February|April|June|July|August|September|October|November|December|(?:19|20)\d\d)\b/gu,
      random,
      (found) => (/^\d/.test(found) ? String(Number(found) + 1) : (months[(months.indexOf(found) + 1) % 12] ?? found)),
    ),
  /** Two numbers change places. */
  swappedNumbers: (sentence) => {
    const found = [...sentence.matchAll(figure)];
    const [first, second] = found;
    if (!first || !second || first[0] === second[0]) return undefined;
    return (
      sentence.slice(0, first.index) +
      second[0] +
      sentence.slice(first.index + first[0].length, second.index) +
      first[0] +
      sentence.slice(second.index + second[0].length)
    );
  },
  /** Says that it is not so. */
  denied: (sentence, random) =>
    /\b(?:not?|without|never|n't|neither|nor|none)\b/iu.test(sentence)
      ? undefined
      : replaceOne(
          sentence,
          /\b(?:is|are|was|were|can|could|should|will|may|must)\b(?!\s+not)/gu,
          random,
          (found) => `${found} not`,
        ),
  /** Says that it is so. */
  affirmed: (sentence) => {
    const plain = sentence
      .replace(/\b(is|are|was|were|can|could|should|will|may|did|does|do|has|have) not\b/u, '$1')
      .replace(/\bcannot\b/u, 'can');
    const without =
      plain === sentence ? sentence.replace(/\bwithout\b/u, 'with').replace(/\bno (?=\p{Ll}{4})/u, '') : plain;
    return without === sentence ? undefined : without;
  },
  /** A word is turned into its opposite. */
  opposite: (sentence, random) => {
    const there = turned
      .flatMap(([a, b]) => [[a, b] as const, [b, a] as const])
      .filter(
        ([word, other]) =>
          new RegExp(`\\b${word}\\b`, 'u').test(sentence) && !new RegExp(`\\b${other}\\b`, 'u').test(sentence),
      );
    const chosen = there[Math.floor(random() * there.length)];
    return chosen && sentence.replace(new RegExp(`\\b${chosen[0]}\\b`, 'u'), chosen[1]);
  },
  /** A drug or a condition is another one. */
  name: (sentence, random) =>
    replaceOne(
      sentence,
      /\b\p{Ll}{4,}(?:cillin|mycin|vir|statin|olol|pril|azole|mab|nib|itis|emia|oma|osis|pathy)\b/gu,
      random,
      (found) => (found === 'rosuvastatin' ? 'omeprazole' : 'rosuvastatin'),
    ),
};

/** Slips of a pen, in about one of 50 letters. */
export function slip(text: string, random: () => number): string {
  return Array.from(text, (letter) => {
    if (!/\p{Ll}/u.test(letter) || random() > 0.02) return letter;
    return random() < 0.5 ? '' : letter + letter;
  }).join('');
}

/** A word that no number or negation is, left out. */
export function leaveOut(text: string, random: () => number): string {
  const words = text.split(' ');
  const at = 1 + Math.floor(random() * (words.length - 2));
  const left = words[at] ?? '';
  return /\d|^(?:not?|without|never)$|[-.,;:]/u.test(left)
    ? text
    : [...words.slice(0, at), ...words.slice(at + 1)].join(' ');
}

function replaceOne(
  sentence: string,
  pattern: RegExp,
  random: () => number,
  change: (found: string) => string,
): string | undefined {
  const found = [...sentence.matchAll(pattern)];
  const chosen = found[Math.floor(random() * found.length)];
  if (!chosen) return undefined;
  const [word] = chosen;
  const changed = change(word);
  return changed === word
    ? undefined
    : sentence.slice(0, chosen.index) + changed + sentence.slice(chosen.index + word.length);
}
