/** Content negotiation (RFC 9110 §12.5.1). */

interface Range {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
}

const maxRanges = 32;

/**
 * The offered media type that the Accept header likes best, the first of equals; undefined when it takes none of them.
 * A request without the header takes everything.
 */
export function preferred(accept: string | undefined, offered: readonly string[]): string | undefined {
  if (accept === undefined || accept.trim() === '') return offered[0];
  const ranges = accept.split(',', maxRanges).map(parseRange);
  let best: { mediaType: string; quality: number } | undefined;
  for (const mediaType of offered) {
    const quality = qualityOf(mediaType, ranges);
    if (quality > 0 && (best === undefined || quality > best.quality)) best = { mediaType, quality };
  }
  return best?.mediaType;
}

// The most specific range that matches decides, whatever its quality.
function qualityOf(mediaType: string, ranges: readonly Range[]): number {
  const [type, subtype] = mediaType.split('/');
  const exact = ranges.find((range) => range.type === type && range.subtype === subtype);
  const family = ranges.find((range) => range.type === type && range.subtype === '*');
  const any = ranges.find((range) => range.type === '*' && range.subtype === '*');
  return (exact ?? family ?? any)?.quality ?? 0;
}

function parseRange(text: string): Range {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const [type = '', subtype = ''] = name.split('/');
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const quality = weight === undefined ? 1 : Number(weight);
  return { type, subtype, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}
