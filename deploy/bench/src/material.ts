/** Invented documents: the same in every run. */
import { textPdf } from '@wardstone/testing';

const words =
  `patient reports mild pain left knee after walking stairs daily dose lisinopril raised twenty milligrams blood
pressure reading normal follow visit three weeks wound dressing changed clean dry infusion pump alarm reset nurse informed
potassium level within range allergy penicillin noted family history seizures denied sleep appetite good shoulder exercise
physiotherapy referral letter sent cardiology echo planned oxygen saturation stable room air temperature afebrile`.split(
    /\s+/,
  );

/** About `chars` characters of sentences that follow from the seed. */
export function inventedText(seed: number, chars: number): string {
  let state = (seed + 1) * 0x9e3779b1;
  const next = (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  let text = '';
  while (text.length < chars) {
    const sentence = Array.from({ length: 6 + next(10) }, () => words[next(words.length)] ?? '').join(' ');
    text += `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)} ${next(1000)}. `;
  }
  return text.trimEnd();
}

/** PDFs of full pages, about 2,000 characters each. */
export async function inventedPdfs(documents: number, pages: number, firstSeed = 0): Promise<Buffer[]> {
  return Promise.all(
    Array.from({ length: documents }, async (_, document) =>
      textPdf(Array.from({ length: pages }, (__, page) => inventedText(firstSeed + document * pages + page, 2_000))),
    ),
  );
}

/** A unit vector that follows from its seed: an exact scan costs the same for every vector. */
export function inventedVector(seed: number, dimensions: number): Float32Array {
  let state = (seed + 1) * 0x85ebca6b;
  const vector = Float32Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

const syllables = 'ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu'.split(' ');
const vocabularySize = 20_000;

/** A word of invented language: short ones are common. */
function inventedWord(rank: number): string {
  let [word, rest] = ['', rank + syllables.length];
  while (rest > 0) {
    word += syllables[rest % syllables.length] ?? '';
    rest = Math.floor(rest / syllables.length);
  }
  return word;
}

/** `count` words that follow from the seed, out of 20,000 of which a few are common and most are rare, as in language. */
export function rareText(seed: number, count: number): string {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  const words = Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return inventedWord(Math.floor(vocabularySize ** (state / 2 ** 32)) - 1);
  });
  return words.join(' ');
}
