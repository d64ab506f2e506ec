import type { AnswerSource, ModelQuote } from '../../ports.ts';

/** Why a statement is not borne out. */
export type StatementProblem =
  | 'no-quote'
  | 'quote-not-found'
  | 'wrong-source'
  | 'wrong-page'
  | 'number-not-in-source'
  | 'date-not-in-source'
  | 'negation-differs'
  | 'not-borne-out';

/** A quote that stands in a source: `source.text.slice(start, end)`. */
export interface FoundQuote {
  readonly source: AnswerSource;
  readonly start: number;
  readonly end: number;
  readonly match: 'exact' | 'fuzzy';
  /** 0 to 1; 1 when exact. */
  readonly similarity: number;
}

/** What was found out about a statement. Borne out when there is no problem. */
export interface Verdict {
  readonly problems: readonly StatementProblem[];
  readonly quotes: readonly FoundQuote[];
}

/** Checks a statement's quotes against the sources. Pure. */
export function verifyStatement(
  statement: { readonly text: string; readonly quotes: readonly ModelQuote[] },
  sources: readonly AnswerSource[],
): Verdict {
  const problems = new Set<StatementProblem>();
  const quotes: FoundQuote[] = [];
  if (statement.quotes.length === 0) problems.add('no-quote');
  for (const { sourceNumber, quote } of statement.quotes) {
    const source = sources.find(({ number }) => number === sourceNumber);
    const start = quote === '' ? -1 : (source?.text.indexOf(quote) ?? -1);
    if (source === undefined || start === -1) problems.add('quote-not-found');
    else quotes.push({ source, start, end: start + quote.length, match: 'exact', similarity: 1 });
  }
  return { problems: [...problems], quotes };
}
