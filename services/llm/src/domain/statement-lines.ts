import { z } from 'zod';
import type { ModelQuote } from '../ports.ts';
import { maxStatements } from './read-model.ts';
import { maxQuoteChars, maxQuotesOfStatement, maxStatementChars } from './statement-bounds.ts';

/** A line of what a model writes: a statement, or that the documents do not say. */
export type ModelLine =
  | { readonly kind: 'statement'; readonly text: string; readonly quotes: readonly ModelQuote[] }
  | { readonly kind: 'none' };

/** Reads a model's JSON lines as they come. */
export interface StatementLines {
  /** The lines that this piece of text completes. */
  push(piece: string): ModelLine[];
  /** What is left of a text that is over. Of one that was cut off, the last line counts only when it is whole. */
  end(over: { readonly wasCut: boolean }): ModelLine[];
  /** Whether as many statements were read as an answer may have: nothing more is read. */
  readonly isFull: boolean;
}

/** Characters of a line; what is longer is no line of ours, and only its beginning is kept. */
export const maxLineChars = 16_000;

/**
 * The form of an answer (prompts/answer-1): `{"s":"…","q":[{"n":1,"q":"…"}]}` for a statement with its quotes, `{"none":true}`
 * when the documents do not say, one object a line. What is not such a line is a statement without quotes, which nothing
 * bears out: it is shown as that or not at all, as the tenant has it. Code fences and blank lines are skipped.
 */
export function createStatementLines(): StatementLines {
  let [buffer, statements, skipping] = ['', 0, false];

  const read = (line: string): ModelLine[] => {
    const found = statements < maxStatements ? readLine(line) : undefined;
    if (found?.kind === 'statement') statements += 1;
    return found === undefined ? [] : [found];
  };

  return {
    push(piece) {
      const lines = (buffer + piece).split('\n');
      buffer = lines.pop() ?? '';
      const found = lines.flatMap((line, index) => {
        if (index > 0 || !skipping) return read(line);
        skipping = false;
        return [];
      });
      if (buffer.length <= maxLineChars) return found;
      const start = skipping ? [] : read(buffer);
      [buffer, skipping] = ['', true];
      return [...found, ...start];
    },
    end({ wasCut }) {
      const last = skipping ? '' : buffer;
      buffer = '';
      return wasCut && parseLine(last) === undefined ? [] : read(last);
    },
    get isFull() {
      return statements >= maxStatements;
    },
  };
}

const quoteSchema = z.object({
  n: z.number().int(),
  q: z.string(),
  p: z.number().int().min(1).optional(),
});
const statementSchema = z.object({ s: z.string(), q: z.array(quoteSchema).default([]) });
/** A statement whose quotes are of no use. */
const bareSchema = z.object({ s: z.string() });
const noneSchema = z.object({ none: z.literal(true) });
const fence = /^`{3,}\w*$/u;

function readLine(line: string): ModelLine | undefined {
  const text = line.trim();
  if (text === '' || fence.test(text)) return undefined;
  const parsed = parseLine(text) ?? { kind: 'statement', text, quotes: [] };
  if (parsed.kind === 'none') return parsed;
  const shown = onOneLine(parsed.text).slice(0, maxStatementChars).trim();
  return shown === '' ? undefined : { ...parsed, text: shown };
}

/** Undefined when it is no line of the form. */
function parseLine(line: string): ModelLine | undefined {
  const json = parseJson(line.slice(0, maxLineChars));
  if (noneSchema.safeParse(json).success) return { kind: 'none' };
  const statement = statementSchema.safeParse(json);
  if (statement.success) return { kind: 'statement', text: statement.data.s, quotes: quotesOf(statement.data.q) };
  const bare = bareSchema.safeParse(json);
  return bare.success ? { kind: 'statement', text: bare.data.s, quotes: [] } : undefined;
}

function quotesOf(quotes: readonly z.infer<typeof quoteSchema>[]): ModelQuote[] {
  // One more than is looked at of either, so that the check tells of too much.
  return quotes.slice(0, maxQuotesOfStatement + 1).map(({ n, q, p }) => ({
    sourceNumber: n,
    quote: q.slice(0, maxQuoteChars + 1),
    ...(p === undefined ? {} : { page: p }),
  }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Without control characters and marks that turn the direction of text. */
function onOneLine(text: string): string {
  return text.replace(/(?:\s|[[\p{Cc}\p{Cf}\ufffd]--[\u200c\u200d]])+/gv, ' ');
}
