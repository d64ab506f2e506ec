/** A title longer than this would outweigh the chunk. */
const maxTitleLength = 160;

/**
 * What is embedded for a chunk: the document's title and the chunk's text, because a chunk from the middle of a document
 * seldom names what the document is about.
 */
export function passageText({
  title,
  line,
}: {
  readonly title: string;
  readonly line: { readonly text: string };
}): string {
  return headed(title, line.text);
}

/** The text under the title, unless it begins with it. */
export function headed(title: string, text: string): string {
  const heading = title.trim().slice(0, maxTitleLength).toWellFormed();
  return heading === '' || text.startsWith(heading) ? text : `${heading}\n${text}`;
}
