/** What has to change in a statement when the one before it was left out, so that the answer still reads. */

/** They tie a statement to the one before, and mean nothing without it. */
const ties =
  /^(?:however|but|and|also|moreover|furthermore|additionally|in addition|besides|therefore|thus|hence|consequently|as a result|accordingly|nevertheless|nonetheless|similarly|likewise|in contrast|by contrast|conversely|on the other hand|instead|then|finally|for example|for instance|specifically|in particular|in other words|overall|yet|so|still)(?:,\s+|\s+(?=(?:the|a|an|he|she|his|her|in|on|at|for|no|patients?)\b))/iu;
/** They stand for something that the statement before said. */
const pointers =
  /^(?:this|these|that|those|it|its|they|their|such|both|neither|either|the (?:former|latter|same|other|others|second|above|following)|another|others|of (?:these|those|them)|which|otherwise|similarly)\b/iu;

/** The statement as it reads by itself; undefined when it does not. */
export function standAlone(statement: string): string | undefined {
  const untied = statement.replace(ties, '');
  if (pointers.test(untied)) return undefined;
  if (untied === statement) return statement;
  const [first = ''] = untied;
  return first.toUpperCase() + untied.slice(first.length);
}

/** Whether a statement only leads up to the next. */
export function leadsOn(statement: string): boolean {
  return /:\s*$/u.test(statement);
}
