import { estimateTokens, fitsTokens } from './tokens.ts';

/** What a model takes in one call. */
export interface TextBounds {
  readonly maxTokens: number;
  /** UTF-16 code units. */
  readonly maxChars: number;
}

/** Borders to cut at, the better ones first. The last are those between characters as people see them. */
const granularities = ['sentence', 'word', 'grapheme'] as const;

/**
 * The text in parts that fit, each as long as it may be, in order and with nothing left out but blank parts; of blanks alone the first part. Cut between
 * sentences (Unicode UAX #29); a sentence that is too long between words, and a word that is too long between characters.
 */
export function splitText(text: string, bounds: TextBounds): string[] {
  if (fits(text, bounds)) return [text];
  const parts = cut(text, bounds, 0);
  const said = parts.filter((part) => part.trim() !== '');
  return said.length > 0 ? said : parts.slice(0, 1);
}

/** Whether a text fits as it is. */
function fits(text: string, { maxTokens, maxChars }: TextBounds): boolean {
  return text.length <= maxChars && fitsTokens(text, maxTokens);
}

function cut(text: string, bounds: TextBounds, level: number): string[] {
  const granularity = granularities[level];
  // A single character fits whatever the bounds are, or nothing would.
  if (granularity === undefined) return [text];
  const parts: string[] = [];
  let [part, tokens] = ['', 0];
  const close = (): void => {
    if (part !== '') parts.push(part);
    [part, tokens] = ['', 0];
  };
  for (const { segment } of new Intl.Segmenter(undefined, { granularity }).segment(text)) {
    const more = estimateTokens(segment);
    if (more > bounds.maxTokens || segment.length > bounds.maxChars) {
      close();
      parts.push(...cut(segment, bounds, level + 1));
      continue;
    }
    if (tokens + more > bounds.maxTokens || part.length + segment.length > bounds.maxChars) close();
    part += segment;
    tokens += more;
  }
  close();
  return parts;
}
