/** Names that people gave: cleaned of what is not a name, never trusted for anything but display. */

/** Longest file name that is kept, in UTF-16 code units; the limit of common file systems is 255 bytes. */
export const maxFileNameChars = 255;

/**
 * The name alone: no path (of either slash), no control or bidirectional-override characters, no leading or trailing
 * blanks or dots, Unicode composed, at most 255 code units with the ending kept. A name of which nothing is left becomes
 * "document".
 */
export function cleanFileName(raw: string): string {
  const last = raw.slice(Math.max(raw.lastIndexOf('/'), raw.lastIndexOf('\\')) + 1);
  const name = printable(last)
    .replace(/\s+/g, ' ')
    .replace(/^[\s.]+|[\s.]+$/g, '');
  return shorten(name) || 'document';
}

/** A title as given, cleaned in the same way; without one, the file's name without its ending. */
export function titleOf(givenTitle: string, fileName: string): string {
  const title = printable(givenTitle).replace(/\s+/g, ' ').trim();
  if (title !== '') return title;
  const dot = fileName.lastIndexOf('.');
  return dot > 0 ? fileName.slice(0, dot) : fileName;
}

/** Controls (Cc), bidirectional controls and other format characters that hide what a name says, except joiners. */
function printable(text: string): string {
  return text
    .toWellFormed()
    .normalize('NFC')
    .replace(/[\r\n\t]+/g, ' ')
    .replace(/\p{Cc}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/gu, '');
}

function shorten(name: string): string {
  if (name.length <= maxFileNameChars) return name;
  const dot = name.lastIndexOf('.');
  const ending = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : '';
  // Cutting may halve a surrogate pair; what is left of it is dropped.
  const stem = name
    .slice(0, maxFileNameChars - ending.length)
    .toWellFormed()
    .replaceAll('\ufffd', '');
  return stem.trimEnd() + ending;
}
