/**
 * Words by which a leak is recognised: of seven letters or more, because shorter runs of letters turn up by chance in
 * sealed (base64url) text; a run of seven equal letters by chance has odds below 1e-8 per place.
 */
const wordPattern = /[A-Za-z]{7,}/g;

/** The distinct words of texts, in lower case. */
export function wordsOf(texts: Iterable<string>): Set<string> {
  const words = new Set<string>();
  for (const text of texts) for (const word of text.match(wordPattern) ?? []) words.add(word.toLowerCase());
  return words;
}

/**
 * Words of the documents that stand in a dump. `known` are the words the system itself uses (taken from a dump before
 * any document was there): a document may share those with it.
 */
export function leakedWords(
  dump: Iterable<string>,
  documents: ReadonlySet<string>,
  known: ReadonlySet<string>,
): string[] {
  const found = new Set<string>();
  for (const text of dump) {
    for (const word of text.match(wordPattern) ?? []) {
      const lower = word.toLowerCase();
      if (documents.has(lower) && !known.has(lower)) found.add(lower);
    }
  }
  return [...found].sort();
}
