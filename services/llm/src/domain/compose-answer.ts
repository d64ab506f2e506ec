import type { AnswerSource, CitationPolicy } from '../ports.ts';
import { type AnswerOutcome, blocked, notInDocuments, unsupported } from './outcomes.ts';
import type { ModelReading } from './read-model.ts';
import { createVerifier, type FoundQuote, type StatementProblem } from './verify/verify-statement.ts';

/** A checked statement in its place in the answer: `answer.slice(answerStart, answerEnd)`. */
export interface CheckedStatement {
  readonly kind: 'statement';
  /** What to append to the answer: the statement, after a blank when it is not the first. */
  readonly text: string;
  readonly answerStart: number;
  readonly answerEnd: number;
  /** notice: not the model's own, but a sentence of ours that says why there is no answer. */
  readonly support: 'supported' | 'unsupported' | 'notice';
  readonly problems: readonly StatementProblem[];
  readonly quotes: readonly FoundQuote[];
}

/** What came of the model's statements. */
export interface AnswerSummary {
  readonly outcome: AnswerOutcome;
  readonly statements: number;
  readonly supported: number;
  readonly withheld: number;
  /** Share of the statements that are borne out, 0 to 1; 0 when there are none. */
  readonly grounding: number;
  readonly truncated: boolean;
  /** The whole answer, as it was sent. */
  readonly text: string;
}

export type AnswerPiece = CheckedStatement | { readonly kind: 'end'; readonly summary: AnswerSummary };

/**
 * Turns what a model says into what is sent: each statement is checked against the sources, and what is not borne out is
 * marked, left out, or refuses the whole, as the policy says. Under `refuse` nothing comes before all was checked.
 */
export async function* composeAnswer(
  readings: AsyncIterable<ModelReading>,
  { sources, policy }: { readonly sources: readonly AnswerSource[]; readonly policy: CitationPolicy },
): AsyncGenerator<AnswerPiece> {
  const verifier = createVerifier(sources);
  const held: CheckedStatement[] = [];
  let [text, statements, supported, sent] = ['', 0, 0, 0];
  for await (const reading of readings) {
    if (reading.kind === 'statement') {
      statements += 1;
      const { problems, quotes } = verifier.verify(reading);
      const isSupported = problems.length === 0;
      if (isSupported) supported += 1;
      else if (policy === 'drop') continue;
      const piece = place(reading.text, text, isSupported ? 'supported' : 'unsupported', { problems, quotes });
      text += piece.text;
      if (policy === 'refuse') held.push(piece);
      else {
        sent += 1;
        yield piece;
      }
      continue;
    }
    const refused = policy === 'refuse' && (supported < statements || reading.outcome === 'blocked');
    if (!refused) {
      sent += held.length;
      yield* held;
    }
    const outcome = outcomeOf(reading.outcome, { statements, sent });
    if (sent === 0) {
      text = '';
      const notice = place(noticeOf(outcome), text, 'notice', { problems: [], quotes: [] });
      text = notice.text;
      yield notice;
    }
    const grounding = statements === 0 ? 0 : supported / statements;
    const truncated = reading.outcome === 'cut';
    const summary = { outcome, statements, supported, withheld: statements - sent, grounding, truncated, text };
    yield { kind: 'end', summary };
  }
}

function place(
  statement: string,
  before: string,
  support: CheckedStatement['support'],
  found: Pick<CheckedStatement, 'problems' | 'quotes'>,
): CheckedStatement {
  const gap = before === '' ? '' : ' ';
  const answerStart = before.length + gap.length;
  const answerEnd = answerStart + statement.length;
  return { kind: 'statement', text: gap + statement, answerStart, answerEnd, support, ...found };
}

function outcomeOf(
  ended: (ModelReading & { readonly kind: 'done' })['outcome'],
  { statements, sent }: { readonly statements: number; readonly sent: number },
): AnswerOutcome {
  if (ended === 'blocked') return 'blocked';
  if (sent > 0) return 'answered';
  return statements > 0 ? 'unsupported' : 'not-in-documents';
}

function noticeOf(outcome: AnswerOutcome): string {
  if (outcome === 'blocked') return blocked;
  return outcome === 'unsupported' ? unsupported : notInDocuments;
}
