/**
 * Looks at every statement before it leaves, whoever made it and whatever the verifier says of it: a document can hold
 * instructions, and a model can obey them. What is found here is never sent; only the class is told.
 */
import { fold, wordsIn } from './words.ts';

/** Classes of what a statement may not hold. */
export type GuardFinding =
  'leaked-prompt' | 'foreign-address' | 'active-content' | 'hidden-characters' | 'control-syntax';

export interface OutputGuard {
  /**
   * What is wrong with a statement that cites these words of sources; empty when it may be sent. A leak, and a tag, may be told in
   * pieces: `before` is what was let through before it, or the end of that, and `shown` what of it stands in the answer.
   */
  inspect(statement: string, cited: string, before?: string, shown?: string): readonly GuardFinding[];
  /** What is wrong with words of a source that are sent as a citation. Addresses and markdown are the source's own. */
  inspectQuotes(cited: string): readonly GuardFinding[];
}

/** So many words in a row as in the prompt are no accident. */
const leakedWords = 8;
/** Nor are so many different runs of so few of them, in a statement and those before it. */
const fragmentWords = 5;
const maxFragments = 8;
/** How much of an answer is looked at with its next statement. */
export const maxBeforeChars = 4_000;
/** A word of the prompt that is as long and has digits in it is its canary. */
const minCanaryChars = 12;

/** @param confidential Texts of which no answer may hold words in a row: the system prompt, with its canary. */
export function createOutputGuard(confidential: readonly string[]): OutputGuard {
  const secret = secretOf(confidential);
  return {
    inspect(statement, cited, before = '', shown = before) {
      const findings: GuardFinding[] = [];
      const [tag, image] = ['<', '!['].map((mark) => goingOn(mark, shown, statement)) as [string, string];
      if (leaks(statement, before.slice(-maxBeforeChars), secret)) findings.push('leaked-prompt');
      if (hasForeignAddress(statement, cited)) findings.push('foreign-address');
      const isMarkup = isActive(statement) || isActive(tag) || isActive(image) || handlesEvents(statement, shown);
      if (isMarkup) findings.push('active-content');
      if (hidden.some((pattern) => pattern.test(statement))) findings.push('hidden-characters');
      if (steersPrograms(statement, cited) || steersPrograms(tag, cited)) findings.push('control-syntax');
      return findings;
    },
    inspectQuotes: (cited) =>
      activeHtml.some((pattern) => pattern.test(cited)) || handlesEvents(cited) ? ['active-content'] : [],
  };
}

/** Words of a source without characters that are not seen or turn the direction of text. */
export function withoutHidden(words: string): string {
  return hidden.reduce((text, pattern) => text.replaceAll(new RegExp(pattern, `${pattern.flags}g`), ''), words);
}

/** What tells the words of the confidential texts. */
interface Secret {
  readonly runs: ReadonlySet<string>;
  readonly fragments: ReadonlySet<string>;
  readonly canaries: readonly string[];
}

function secretOf(confidential: readonly string[]): Secret {
  const words = confidential.map(wordsIn);
  return {
    runs: new Set(words.flatMap((text) => runsOf(text, leakedWords))),
    fragments: new Set(words.flatMap((text) => runsOf(text, fragmentWords))),
    canaries: words.flat().filter((word) => word.length >= minCanaryChars && /\d/.test(word)),
  };
}

/** Whether a statement leaks, by itself or as the next piece of what was said before. */
function leaks(statement: string, before: string, { runs, fragments, canaries }: Secret): boolean {
  if (runs.size === 0 && canaries.length === 0) return false;
  const [said, words] = [wordsIn(before), wordsIn(statement)];
  /** Runs of which at least the last word is the statement's. */
  const reaching = (length: number): string[] => runsOf([...said.slice(-(length - 1)), ...words], length);
  if (reaching(leakedWords).some((run) => runs.has(run))) return true;
  // A canary that is spelled out with blanks or hyphens is one as well.
  const closed = [...said, ...words].join('');
  if (canaries.some((canary) => closed.includes(canary))) return true;
  const told = reaching(fragmentWords).filter((run) => fragments.has(run));
  if (told.length === 0) return false;
  const all = new Set([...told, ...runsOf(said, fragmentWords).filter((run) => fragments.has(run))]);
  return all.size >= maxFragments;
}

function runsOf(words: readonly string[], length: number): string[] {
  return Array.from({ length: Math.max(0, words.length - length + 1) }, (_, at) =>
    words.slice(at, at + length).join(' '),
  );
}

const hostLabel = '[\\p{L}\\p{N}](?:[\\p{L}\\p{N}-]{0,62})';
/** Top-level domains that are no words: "pain.it" may be a missing blank. */
const topLevel =
  'com|org|net|info|biz|io|co|ai|app|dev|xyz|top|site|online|club|shop|live|link|click|page|web|cloud|tech|store|gov|edu|mil|int|eu|uk|de|fr|es|nl|ch|se|pl|ru|cn|jp|kr|br|au|ca|us|tv|cc|tk|ml|ga|cf|gq|ly|sh|gg|onion';
/** An address goes on until a blank or a "<", as programs that make links of plain text read it: a quotation mark does not end it. */
const addresses: readonly RegExp[] = [
  /(?<![\p{L}\p{N}])(?:https?|ftp|wss?|file|data|javascript|vbscript|mailto|tel|sms):[^\s<>"')\]][^\s<]*/giu,
  new RegExp(`(?<![\\p{L}\\p{N}.-])[\\p{L}\\p{N}._%+-]{1,64}@${hostLabel}(?:\\.${hostLabel}){1,8}`, 'giu'),
  new RegExp(`(?<![\\p{L}\\p{N}@.-])www\\.${hostLabel}(?:\\.${hostLabel}){0,8}[^\\s<]*`, 'giu'),
  new RegExp(
    `(?<![\\p{L}\\p{N}@.-])(?:${hostLabel}\\.){1,8}(?:(?:${topLevel})(?![\\p{L}\\p{N}-])[^\\s<]*|\\p{L}{2,24}/[^\\s<>"')\\]][^\\s<]*)`,
    'giu',
  ),
  /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]\d)(?::\d{1,5})?/gu,
];

/** Whether a statement holds an address that does not stand, whole, in the words that it cites. */
function hasForeignAddress(statement: string, cited: string): boolean {
  const plain = undisguise(statement);
  const found = addresses.flatMap((pattern) => Array.from(plain.matchAll(pattern), ([address]) => address));
  if (found.length === 0) return false;
  const words = undisguise(cited);
  return found.some((address) => !standsWhole(address.replace(/[.,;:!?…"'“”‘’«»()[\]{}>*`]+$/u, ''), words));
}

/** Whether an address stands among words with nothing before or behind it that makes it another; a path may go on. */
function standsWhole(address: string, words: string): boolean {
  for (let at = words.indexOf(address); at !== -1; at = words.indexOf(address, at + 1)) {
    const end = at + address.length;
    const isBegun = /[\p{L}\p{N}_-]$/u.test(words.slice(Math.max(0, at - 2), at));
    if (!isBegun && addressEnd.test(words.slice(end, end + 16))) return true;
  }
  return false;
}

const addressEnd = /^[.,;:!?…]*(?:$|[\s<>"'“”‘’«»()[\]{}*`/])/u;

/** Dots and schemes as they are, however they were written to slip through. */
function undisguise(text: string): string {
  return fold(text)
    .replaceAll(/\p{Cf}/gu, '')
    .replaceAll(/\s?[[({]\s?(?:\.|dot|punkt)\s?[\])}]\s?|(?<=[\p{L}\p{N}]) dot (?=[\p{L}\p{N}])/gu, '.')
    .replaceAll(/\s?[[({]\s?(?:@|at)\s?[\])}]\s?/gu, '@')
    .replaceAll(/\bhxxp(s?):/gu, 'http$1:');
}

/**
 * Withheld even where it stands in a source: a reader's program would load an image at once, and run a script. "[11C](R)-PK" is
 * chemistry, and "p <a" a comparison.
 */
const activeMarkdown: readonly RegExp[] = [
  /!\[[^\]]{0,500}\]\s?[[(]/u,
  /\]\(\s*<?(?:[a-z][a-z\d+.-]{1,20}:|\/|\.\.?\/|#|www\.|[\w-]{1,63}(?:\.[\w-]{1,63})+[/?#:)\s])/iu,
  /^\s*\[[^\]]{1,200}\]:\s*<?[a-z][a-z\d+.-]{1,20}:/imu,
  /<[a-z][a-z\d+.-]{1,20}:\/\//iu,
];

const activeHtml: readonly RegExp[] = [
  // Browsers end a tag's name at a slash as well.
  // One letter may be a name that a value is compared with.
  /<(?:\/?[abipu]\s*\/?|[abipu][\s/][^<>=]{0,2000}=[^<>]{0,2000})>/iu,
  /<a[\s/]+[a-z-]{1,40}\s*=/iu,
  // Whatever follows: a tag that is open takes in all up to its end, a "<" too.
  /<\/?(?:img|script|iframe|frame|frameset|applet|svg|style|link|meta|object|embed|form|input|select|textarea|button|video|audio|base|body|html|head|dialog|div|span|table|details|math|template|marquee|br|h[1-6])(?:[\s/>]|$)/iu,
  /(?:javascript|vbscript)\s*:|data\s*:\s*(?:text|image|application)\//iu,
  /&(?:lt|#0*60|#x0*3c);\/?(?:script|img|iframe|svg|a)\b/iu,
];
/** A handler of an event makes any tag run; the words are no handlers, and stand after comparisons. */
const handler = /\bon(?!(?:ce|set|going|cology|line|ly|e|es|to)\b)[a-z]+\s*=/iu;
/** The longest name of one, and then some. */
const maxHandlerChars = 64;
const tagBegins = /<[a-z]/iu;
const activeContent = [...activeMarkdown, ...activeHtml];

function isActive(text: string): boolean {
  return activeContent.some((pattern) => pattern.test(text));
}

/** Whether a text has a handler of an event behind the beginning of a tag; either may stand in what is shown before it. */
function handlesEvents(text: string, shown = ''): boolean {
  if (tagBegins.test(shown)) return handler.test(`${shown.slice(-maxHandlerChars)} ${text}`);
  const at = text.search(tagBegins);
  return at !== -1 && handler.test(text.slice(at));
}

/** A statement with what it makes an end of, should it: from the last such mark in the answer so far. Empty when there is none. */
function goingOn(mark: string, shown: string, statement: string): string {
  const at = shown.lastIndexOf(mark);
  return at === -1 ? '' : `${shown.slice(at)} ${statement}`;
}

const hidden: readonly RegExp[] = [
  // A soft hyphen, tab or line end is typography; joiners are where a script needs them, and in emoji.
  /[[\p{Cf}\p{Cc}]--[\t\n\r\u00ad\u200c\u200d]]/v,
  /(?<![\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Malayalam}\p{Script=Sinhala}\p{Emoji_Presentation}\p{M}\ufe0f])[\u200c\u200d]/u,
  // Selectors that choose nothing carry data.
  /[\ufe00-\ufe0e\u{e0100}-\u{e01ef}]{2,}|(?<=[A-Za-z\d\s])[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]+/u,
];

const controlSyntax: readonly RegExp[] = [
  /<\|[^|<>]{1,60}\|>/u,
  /\[\/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<<\/?SYS>>/u,
  /<\/?(?:antml:)?(?:system|assistant|user|human|tool|tools|tool_call|tool_use|tool_result|tool_response|function|function_calls?|function_results?|invoke|parameter|thinking|instructions?|documents?|sources?)(?:\s[^<>]{0,500})?>/iu,
  /"(?:tool_use|tool_calls?|function_call|tool_choice)"\s*:|"type"\s*:\s*"(?:tool_use|tool_result|function)"/u,
  /\{\s*"name"\s*:\s*"[^"]{1,100}"\s*,\s*"(?:arguments|parameters|input)"\s*:/u,
  /^\s*\{\s*"(?:s|q|none)"\s*:/u,
];
const role = /(?:^|\n)\s*(?:human|assistant|user|developer)\s*:/iu;

/** A role's name with a colon may also be a label of a form, and then stands in the words that are cited. */
function steersPrograms(statement: string, cited: string): boolean {
  if (controlSyntax.some((pattern) => pattern.test(statement))) return true;
  const mark = role.exec(statement)?.[0].trim();
  return mark !== undefined && !cited.includes(mark);
}
