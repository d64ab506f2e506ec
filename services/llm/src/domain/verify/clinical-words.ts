import { isStopWord, stemOf } from '../terms.ts';
import { wordsIn } from '../words.ts';

/** Whether a word (in lower case) can be affirmed or denied. */
export function isContent(word: string): boolean {
  return word.length > 1 && /\p{L}/u.test(word) && !isStopWord(word) && !cues.has(word);
}
const cues = new Set('no not without never none nor neither'.split(' '));

/** Words that deny another: by prefix, the others that take it. */
const prefixed: Readonly<Record<string, string>> = {
  un: 'able affected avoidable aware changed clear comfortable common complicated conscious controlled detectable detected diagnosed eventful expected explained healthy identified known likely necessary recognised recognized related remarkable resolved responsive restricted safe specific specified stable steady successful suitable supported sure tolerated treated usual vaccinated wanted well willing witnessed',
  in: 'accurate active adequate appropriate capable competent complete consistent correct curable effective efficient eligible frequent operable significant stable sufficient tolerant visible voluntary',
  im: 'mature mobile possible proper',
  ir: 'regular relevant reversible',
  a: 'febrile symptomatic typical',
  ab: 'normal normality normalities',
  contra: 'indicated indication indications',
  dis: 'agree agreed appear appeared continue continued continuing continues continuation',
  non: 'adherent allergic cancerous compliant diabetic existent fatal functional infectious invasive malignant reactive responsive significant smoker smokers smoking specific tender toxic',
};
const joined = new Map(
  Object.entries(prefixed).flatMap(([prefix, bases]) => bases.split(' ').map((base) => [prefix + base, base] as const)),
);
joined.set('painless', 'pain');

/** The word that a word denies: "unstable" denies "stable", "non-smoker" "smoker", "pain-free" "pain". */
function lexicalNegation(word: string): string | undefined {
  const known = joined.get(word);
  if (known !== undefined) return known;
  const [, hyphened, free] = /^(?:non[-\u2010\u2011](\p{L}{3,})|(\p{L}{3,})[-\u2010\u2011]free)$/u.exec(word) ?? [];
  return hyphened ?? free;
}

/** Who does something is of what is done. */
const doers = new Map([
  ['smoker', 'smoke'],
  ['smokers', 'smoke'],
  ['drinker', 'drink'],
  ['drinkers', 'drink'],
]);

/** Stems of a word's parts (in lower case), and whether the word denies them: "asymptomatic" is not "symptomatic". */
export function stemsOf(word: string): (readonly [stem: string, isDenied: boolean])[] {
  const base = lexicalNegation(word);
  if (base !== undefined) return [[stemOf(doers.get(base) ?? base), true]];
  const parts = word.split(/[-\u2010\u2011]/u).filter(isContent);
  return parts.map((part) => [stemOf(doers.get(part) ?? part), false] as const);
}

/** Endings of the international nonproprietary names of drugs (WHO's list of stems), and of conditions and procedures. */
const nameEndings =
  /(?:cillin|mycin|micin|cycline|floxacin|azole|vir|statin|olol|pril|sartan|dipine|gliptin|gliflozin|glutide|formin|setron|triptan|parin|xaban|gatran|mab|nib|caine|azepam|azolam|barbital|curium|profen|coxib|asone|solone|onide|terol|tidine|thiazide|semide|itis|emia|oma|(?<!gn)osis|pathy|uria|plasia|ectomy|ostomy|plasty|algia|penia|trophy|plegia|rrhea|rrhage|megaly)s?$/u;
const minNameChars = 6;

/**
 * Stems of the names of drugs, conditions and procedures in a text, as far as their endings tell. Somebody may say in words of
 * their own what is done with them; which one it is has to stand in the source.
 */
export function medicalNames(text: string): string[] {
  return wordsIn(text)
    .filter((word) => word.length >= minNameChars && !/\p{N}/u.test(word) && nameEndings.test(word))
    .map(stemOf);
}
