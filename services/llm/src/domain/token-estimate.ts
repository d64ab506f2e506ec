/**
 * How many tokens a text has, rather too many than too few, without the models' tokenizers, which are not published. Counted
 * are: two tokens for every five bytes (UTF-8) of a run of letters, rounded up; one for every byte of a digit or mark and for
 * every line end; blanks are free, because tokenizers take them together with what follows. English prose comes to about two
 * tokens a word, where the tokenizers of Claude take 1.3 (4.5) to 1.7 (5.5); other scripts to one or two tokens a letter.
 */
export function estimateTokens(text: string): number {
  return estimateAscii(text) ?? estimateAny(text);
}

/** The same for text of ASCII alone, in less time: every prompt is counted. Undefined for other text. */
function estimateAscii(text: string): number | undefined {
  let [tokens, run] = [0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return undefined;
    const lower = code | 0x20;
    if (lower >= 0x61 && lower <= 0x7a) {
      run += 1;
      continue;
    }
    tokens += Math.ceil(run / bytesOfToken);
    run = 0;
    const isBlank = code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== 0x0a);
    if (!isBlank) tokens += 1;
  }
  return tokens + Math.ceil(run / bytesOfToken);
}

function estimateAny(text: string): number {
  let tokens = 0;
  for (const [piece] of text.matchAll(pieces)) {
    tokens += letters.test(piece) ? Math.ceil(Buffer.byteLength(piece) / bytesOfToken) : Buffer.byteLength(piece);
  }
  return tokens;
}

const bytesOfToken = 2.5;
const pieces = /[\p{L}\p{M}]+|\n|[^\s\p{L}\p{M}]/gu;
const letters = /^[\p{L}\p{M}]/u;
