/**
 * How many tokens a text has, rather too many than too few, without the models' tokenizers, which are not published. Counted
 * are: two tokens for every five bytes (UTF-8) of a run of letters, and of a run of white space of ASCII, rounded up; one for
 * every line end, and for every byte of anything else: a digit, a mark, a space that is not of ASCII, a letter of four bytes.
 * The blank that a run begins with is free, because tokenizers take it together with what follows. English prose comes to about
 * two tokens a word, where the tokenizers of Claude take 1.3 (4.5) to 1.7 (5.5); other scripts to one or two tokens a letter.
 */
export function estimateTokens(text: string): number {
  return estimateAscii(text) ?? estimateAny(text);
}

/** The same for text of ASCII alone, in less time: every prompt is counted. Undefined for other text. */
function estimateAscii(text: string): number | undefined {
  let [tokens, run, before] = [0, 0, other];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return undefined;
    const kind = kindOf(code);
    if (kind !== before) {
      tokens += Math.ceil(run / bytesOfToken);
      run = kind === space && code === blank ? -1 : 0;
      before = kind;
    }
    if (kind === other) tokens += 1;
    else run += 1;
  }
  return tokens + Math.ceil(run / bytesOfToken);
}

/** Numbers, for they are compared at every character. */
const [other, letter, space] = [0, 1, 2];
const blank = 0x20;

function kindOf(code: number): number {
  const lower = code | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return letter;
  return code === blank || (code >= 0x09 && code <= 0x0d && code !== 0x0a) ? space : other;
}

function estimateAny(text: string): number {
  let tokens = 0;
  for (const [piece] of text.matchAll(pieces)) {
    const bytes = Buffer.byteLength(piece);
    if (letters.test(piece)) tokens += Math.ceil(bytes / bytesOfToken);
    else if (spaces.test(piece)) tokens += Math.ceil((piece.startsWith(' ') ? bytes - 1 : bytes) / bytesOfToken);
    else tokens += bytes;
  }
  return tokens;
}

const bytesOfToken = 2.5;
/** Letters of up to three bytes, white space of ASCII within a line, digits and marks of ASCII, and anything else by itself. */
const pieces = /(?:(?![\u{10000}-\u{10ffff}])[\p{L}\p{M}])+|[\t\v\f\r ]+|[\n!-@[-`{-~]+|[^]/gu;
const letters = /^(?![\u{10000}-\u{10ffff}])[\p{L}\p{M}]/u;
const spaces = /^[\t\v\f\r ]/u;
