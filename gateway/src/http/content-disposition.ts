/** Content-Disposition of a download (RFC 6266), with the file name in UTF-8 (RFC 8187). */

const fallbackName = 'document';

/**
 * `attachment` with the file's name: in ASCII for old clients, and exactly in `filename*`. Whatever the name holds, the
 * header stays one line and the name stays one path segment.
 */
export function attachment(fileName: string): string {
  const name = safeSegment(fileName);
  const ascii = name.replace(/[^\x20-\x7e]/gu, '_').replace(/["\\%]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${percentEncode(name)}`;
}

function safeSegment(fileName: string): string {
  const segment = fileName.toWellFormed().replace(/[\p{Cc}\p{Zl}\p{Zp}/\\]/gu, '_');
  return /^\.*$/.test(segment) ? fallbackName : segment;
}

// encodeURIComponent leaves '()* alone, which RFC 8187 does not allow unescaped.
function percentEncode(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
