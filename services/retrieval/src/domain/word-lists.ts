/** The two lists that the analysis of text needs. */

/**
 * English words that tell nothing of what a text is about. Short on purpose: words of negation ("no", "not", "without") stay,
 * because a clinician who writes them means them.
 */
export const stopWords: ReadonlySet<string> = new Set(
  `a about after again all also am an and any are aren't as at be been before being both but by can can't could did didn't
  do does doesn't doing don't during each for from further had has have having he her here hers herself him himself his
  how i i'm i've if in into is isn't it its itself just me more most my myself of off on once or other our ours ourselves
  out over own same she should so some such than that the their theirs them themselves then there these they this those
  through to too under until up very was wasn't we were weren't what when where which while who whom why will with would
  you your yours yourself yourselves`.split(/\s+/),
);

/**
 * Endings that the WHO gives to non-proprietary names of substances ("INN stems"), and a few older ones. A stemmer made for
 * English would cut them; a word that merely looks like a drug's name loses nothing by being kept whole.
 */
const drugEndings = new RegExp(
  `(?:${[
    'amide|apine|aridone|asone|astine|azenil|azepam|azine|azolam|azole|azosin|barbital|bendazole|buterol|butazone',
    'caine|cavir|cef|cillin|citabine|clovir|conazole|cycline|dazole|delpar|dipine|dopa|dralazine|dronate|dronic',
    'entan|etanide|exate|fenac|fenamate|fibrate|floxacin|formin|fungin|gatran|gepant|gliflozin|glinide|gliptin',
    'glitazone|glutide|grel|idone|ilide|imus|ipramine|iptan|iramate|kacin|lamide|lukast|mab|micin|morelin|mustine|mycin',
    'nacin|nib|nidazole|nitrate|olol|olone|onide|oprazole|orphan|oxacin|oxetine|oxicam|parin|penem|peridol|peridone',
    'phylline|plase|platin|poetin|prazole|pressin|pril|prilat|profen|prost|racetam|relix|rubicin|sartan|semide|setron',
    'sidone|sporin|statin|steride|sulfan|tadine|taxel|thiazide|thrombopag|tidine|tinib|tiazem|toin|trexate|triptan|triptyline',
    'vaptan|vastatin|verine|vir|virine|vudine|xaban|zepam|zolam|zolamide|zumab',
  ].join('|')})$`,
);
/** Below this an ending is the whole word, and an English one. */
const minDrugNameChars = 6;

/** Whether a word (in lower case) has the ending of a substance's name. */
export function isDrugName(word: string): boolean {
  return word.length >= minDrugNameChars && drugEndings.test(word);
}
