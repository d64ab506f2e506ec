/** How many tokens a text has at most, without the model's own tokeniser, which is not published. */

/** Letters that one token holds at least, of a word in Latin letters: half of what medical names come to. */
const minLettersPerToken = 2;

/** A word, or any other character. */
const unit = /[A-Za-z]+|[^]/gu;

/**
 * An upper estimate for texts of people: words of Latin letters count a token for every two letters, digits, signs and line
 * breaks one each, and any other character one for each of its bytes in UTF-8, which is the most that tokenisers that fall
 * back to bytes make of it. A blank belongs to the word behind it. Of a text that is cut, the parts count as much or more.
 */
export function estimateTokens(text: string): number {
  let tokens = 0;
  for (const { 0: found, index } of text.matchAll(unit)) {
    if (/^[A-Za-z]/.test(found)) tokens += Math.ceil(found.length / minLettersPerToken);
    else if (found !== ' ' || [' ', undefined].includes(text[index + 1])) tokens += Buffer.byteLength(found);
  }
  return tokens;
}

/** Whether a text has at most so many tokens. Most texts are so short that counting their bytes tells. */
export function fitsTokens(text: string, maxTokens: number): boolean {
  return Buffer.byteLength(text) <= maxTokens || estimateTokens(text) <= maxTokens;
}
