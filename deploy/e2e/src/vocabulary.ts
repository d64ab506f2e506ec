/**
 * Words that stand in raw bytes are told from chance by their length and by their letters' case, which is what people write:
 * in sealed (base64url) text such a run of seven letters that equals a given one has odds below 1e-11 per place.
 */
const rawLetters = 7;
const asWritten = /^(?:[A-Z]?[a-z]+|[A-Z]+)$/;

/** Words that are looked for where sealed values have been cut out, so that no chance is left. */
export const clearLetters = 4;

const patterns = { [rawLetters]: /[A-Za-z]{7,}/g, [clearLetters]: /[A-Za-z]{4,}/g } as const;

type MinLetters = typeof rawLetters | typeof clearLetters;

/** The distinct words of texts, in lower case, of so many letters or more. */
export function wordsOf(texts: Iterable<string>, minLetters: MinLetters = rawLetters): Set<string> {
  return new Set([...runsOf(texts, minLetters)].map((run) => run.toLowerCase()));
}

/**
 * Words of the documents that stand in a dump. `known` are the words the system itself uses (taken from a dump before
 * any document was there): a document may share those with it.
 */
export function leakedWords(
  dump: Iterable<string>,
  documents: ReadonlySet<string>,
  known: ReadonlySet<string>,
  minLetters: MinLetters = rawLetters,
): string[] {
  const found = [...runsOf(dump, minLetters)].filter((run) => minLetters < rawLetters || asWritten.test(run));
  const words = new Set(found.map((run) => run.toLowerCase()));
  return [...words].filter((word) => documents.has(word) && !known.has(word)).sort();
}

/** Runs of letters as they stand, each once. */
function runsOf(texts: Iterable<string>, minLetters: MinLetters): Set<string> {
  const runs = new Set<string>();
  for (const text of texts) for (const [run] of text.matchAll(patterns[minLetters])) runs.add(run);
  return runs;
}
