const maxChars = 80;

/** The title that a conversation gets from its first question: its beginning on one line, cut between words. */
export function titleFrom(question: string): string {
  const line = question.replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim();
  const characters = Array.from(line);
  if (characters.length <= maxChars) return line;
  const head = characters.slice(0, maxChars - 1).join('');
  const lastBlank = head.lastIndexOf(' ');
  return `${lastBlank > head.length / 2 ? head.slice(0, lastBlank) : head}…`;
}
