/**
 * Words that exclude each other. A statement that says one where what it cites says only another says something else, and all
 * its other words may still agree: left for right, increased for decreased, daily for weekly.
 */
import { stemOf } from '../terms.ts';
import { fold, wordsIn } from '../words.ts';

/** A group of meanings, each with the words that carry it. */
const groups: readonly (readonly string[])[] = [
  [
    'increase rise raise higher high more greater elevate gain grow upregulate enhance',
    'decrease reduce lower low less fewer fall decline drop diminish loss downregulate',
  ],
  ['increase', 'decrease'],
  ['increased', 'reduced'],
  ['increases', 'reduces'],
  ['higher', 'lower'],
  ['high', 'low'],
  ['more', 'less fewer'],
  ['larger', 'smaller'],
  ['upregulate', 'downregulate'],
  ['activate', 'inactivate'],
  ['activate', 'inhibit'],
  ['promote', 'inhibit suppress prevent'],
  ['better', 'worse'],
  ['improve', 'worsen deteriorate'],
  ['positive', 'negative'],
  ['seropositive', 'seronegative'],
  ['sensitive susceptible', 'resistant'],
  ['survived alive', 'died deceased'],
  ['benign', 'malignant'],
  ['acute', 'chronic'],
  ['left', 'right'],
  ['left-sided', 'right-sided'],
  ['bilateral', 'unilateral'],
  ['before', 'after'],
  ['above', 'below'],
  ['upper', 'lower'],
  ['anterior', 'posterior'],
  ['proximal', 'distal'],
  ['medial', 'lateral'],
  ['dorsal', 'ventral'],
  ['systolic', 'diastolic'],
  ['start started begin began initiate', 'stop stopped discontinue cease'],
  ['mild', 'moderate', 'severe'],
  ['partial', 'complete'],
  ['minimum', 'maximum'],
  ['early', 'late'],
  ['male men man', 'female women woman'],
  ['mother maternal', 'father paternal'],
  ['brother', 'sister'],
  ['arterial', 'venous'],
  ['agonist', 'antagonist'],
  ['preoperative', 'postoperative'],
  ['inpatient', 'outpatient'],
  ['morning', 'evening'],
  ['hourly', 'daily', 'everyotherday', 'weekly', 'everyotherweek', 'monthly', 'yearly annually'],
  ['halfdose', 'wholedose', 'doubledose'],
  [
    'oral orally',
    'intravenous intravenously',
    'subcutaneous subcutaneously',
    'intramuscular intramuscularly',
    'topical topically',
  ],
  ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'],
];

export interface Meaning {
  readonly group: number;
  readonly meaning: number;
}

const meanings = new Map<string, Meaning[]>();
for (const [group, classes] of groups.entries()) {
  for (const [meaning, words] of classes.entries()) {
    for (const word of words.split(' ')) {
      const key = stemOf(word);
      meanings.set(key, [...(meanings.get(key) ?? []), { group, meaning }]);
    }
  }
}

/** The meanings that a word's stem carries, group by group. */
export function meaningsOf(stem: string): readonly Meaning[] {
  return meanings.get(stem) ?? [];
}

/** Words that carry a meaning only together, as one. */
const together: readonly (readonly [RegExp, string])[] = [
  [/\b(?:every|each) (?:other|second) (?:day|night)\b|\balternate (?:days|nights)\b|\bqod\b/gu, 'everyotherday'],
  [/\b(?:every|each) (?:other|second) week\b|\balternate weeks\b/gu, 'everyotherweek'],
  [/\b(?:every|each) day\b/gu, 'daily'],
  [/\b(?:every|each) week\b/gu, 'weekly'],
  [/\bhalf (?:of )?(?:a |an |one |the )?(?:tablet|capsule|pill|dose|ampoule|vial|patch)\b/gu, 'halfdose'],
  [/\bdouble (?:of )?(?:a |the )?(?:tablet|capsule|pill|dose)\b/gu, 'doubledose'],
  [/\b(?:a|one|1|the|full|whole) (?:tablet|capsule|pill|dose|ampoule|vial|patch)\b/gu, 'wholedose'],
];

/** The meanings of each group that a text's words carry, by the group's number. */
function readMeanings(text: string): ReadonlyMap<number, ReadonlySet<number>> {
  const found = new Map<number, Set<number>>();
  const joined = together.reduce((so, [words, one]) => so.replaceAll(words, one), fold(text));
  for (const [word] of joined.matchAll(/\p{L}+(?:-sided)?/gu)) {
    for (const { group, meaning } of meaningsOf(stemOf(word))) {
      found.set(group, (found.get(group) ?? new Set<number>()).add(meaning));
    }
  }
  return found;
}

/** Words whose beginnings turn them into each other: hypertension and hypotension. */
const turning: readonly (readonly [RegExp, string])[] = [
  [/^hyper(?=\p{L}{4})/u, 'hypo'],
  [/^hypo(?=\p{L}{4})/u, 'hyper'],
  [/^tachy(?=\p{L}{4})/u, 'brady'],
  [/^brady(?=\p{L}{4})/u, 'tachy'],
];

/** Whether a statement says the opposite of a word of the cited text, and that text nowhere what the statement says. */
export function saysOpposite(statement: string, cited: string): boolean {
  const [said, told] = [readMeanings(statement), readMeanings(cited)];
  for (const [group, meant] of said) {
    const other = told.get(group);
    if (other && [...meant].every((meaning) => !other.has(meaning))) return true;
  }
  const [words, others] = [new Set(wordsIn(statement)), new Set(wordsIn(cited))];
  return [...words].some((word) => {
    if (others.has(word)) return false;
    return turning.some(([prefix, instead]) => prefix.test(word) && others.has(word.replace(prefix, instead)));
  });
}
