import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AnswerSource, CitationPolicy, ModelOutcome } from '../ports.ts';
import { type AnswerOutcome, blocked, notInDocuments, unsupported } from './outcomes.ts';
import { type GuardFinding, maxBeforeChars, type OutputGuard } from './output-guard.ts';
import { leadsOn, standAlone } from './read-on.ts';
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
  /** What the output guard found, without repetition. */
  readonly findings: readonly GuardFinding[];
  /** What was wrong with the statements that are not borne out, with how many of them it was wrong with. */
  readonly problems: ReadonlyMap<StatementProblem, number>;
  readonly truncated: boolean;
  /** The whole answer, as it was sent. */
  readonly text: string;
}

export type AnswerPiece = CheckedStatement | { readonly kind: 'end'; readonly summary: AnswerSummary };

type Checked = Pick<CheckedStatement, 'problems' | 'quotes'> & { readonly text: string };

/**
 * Turns what a model says into what is sent: each statement is looked at by the output guard and checked against the sources;
 * what is not borne out is marked, left out, or refuses the whole, as the policy says. Under `refuse` nothing comes before all
 * was checked. The last piece is the summary.
 */
export async function* composeAnswer(
  readings: AsyncIterable<ModelReading>,
  given: { readonly sources: readonly AnswerSource[]; readonly policy: CitationPolicy; readonly guard: OutputGuard },
): AsyncGenerator<AnswerPiece> {
  const { sources, policy, guard } = given;
  const verifier = createVerifier(sources);
  const tally = createTally();
  const draft = createDraft();
  /** The end of what the model said and the guard let through, whatever became of it. */
  let said = '';
  for await (const reading of readings) {
    if (reading.kind === 'done') {
      yield* conclude(reading.outcome, { tally, draft, policy });
      return;
    }
    // A check takes processor time: others get their turn between two statements that came at once.
    await nextTurn();
    const { problems, quotes } = verifier.verify(reading);
    const cited = quotes.map(({ source, start, end }) => source.text.slice(start, end)).join('\n');
    const findings = [
      ...new Set([...guard.inspect(reading.text, cited, said, draft.soFar()), ...guard.inspectQuotes(cited)]),
    ];
    if (findings.length === 0) said = `${said} ${reading.text}`.slice(-maxBeforeChars);
    tally.add(findings, problems);
    const isKept = findings.length === 0 && (problems.length === 0 || policy === 'mark');
    draft.add(isKept ? { text: reading.text, problems, quotes } : undefined);
    if (policy !== 'refuse') yield* draft.release();
  }
}

function* conclude(
  ended: ModelOutcome,
  so: { readonly tally: Tally; readonly draft: Draft; readonly policy: CitationPolicy },
): Generator<AnswerPiece> {
  const { tally, draft, policy } = so;
  const isRefused = policy === 'refuse' && (tally.supported < tally.statements || ended === 'blocked');
  if (!isRefused) yield* draft.release();
  const outcome = outcomeOf(ended, { ...tally, sent: draft.sent });
  if (draft.sent === 0) yield* draft.notice(noticeOf(outcome));
  const { statements, supported, findings, problems } = tally;
  const summary: AnswerSummary = {
    ...{ outcome, statements, supported, withheld: statements - draft.sent },
    grounding: statements === 0 ? 0 : supported / statements,
    findings: [...findings],
    problems,
    truncated: ended === 'cut',
    text: draft.text,
  };
  yield { kind: 'end', summary };
}

interface Tally {
  statements: number;
  supported: number;
  readonly findings: Set<GuardFinding>;
  readonly problems: Map<StatementProblem, number>;
  add(findings: readonly GuardFinding[], problems: readonly StatementProblem[]): void;
}

function createTally(): Tally {
  return {
    statements: 0,
    supported: 0,
    findings: new Set(),
    problems: new Map(),
    add(findings, problems) {
      this.statements += 1;
      if (findings.length === 0 && problems.length === 0) this.supported += 1;
      for (const finding of findings) this.findings.add(finding);
      for (const problem of problems) this.problems.set(problem, (this.problems.get(problem) ?? 0) + 1);
    },
  };
}

/** The answer's text as far as it goes, and the statements that wait to be sent. */
interface Draft {
  text: string;
  /** Statements that were sent; a notice is none. */
  sent: number;
  /** The text with that of the statements that wait. */
  soFar(): string;
  /** The next statement, or undefined for one that is left out. */
  add(statement: Checked | undefined): void;
  /** What may be sent now: a statement that leads up to the next waits for it. */
  release(): Generator<CheckedStatement>;
  notice(text: string): Generator<CheckedStatement>;
}

function createDraft(): Draft {
  let waiting: Checked[] = [];
  let isBroken = false;
  return {
    text: '',
    sent: 0,
    soFar() {
      return [this.text, ...waiting.map(({ text }) => text)].join(' ');
    },
    add(statement) {
      const text = statement && (isBroken ? standAlone(statement.text) : statement.text);
      isBroken = text === undefined;
      // What led up to a statement that is left out leads nowhere.
      if (text === undefined) waiting = waiting.filter((other, at) => at < waiting.length - 1 || !leadsOn(other.text));
      else if (statement) waiting.push({ ...statement, text });
    },
    *release() {
      while (waiting.length > 0) {
        const [next] = waiting;
        if (!next || (waiting.length === 1 && leadsOn(next.text))) return;
        waiting.shift();
        this.sent += 1;
        yield place(this, next, next.problems.length === 0 ? 'supported' : 'unsupported');
      }
    },
    *notice(text) {
      yield place(this, { text, problems: [], quotes: [] }, 'notice');
    },
  };
}

/** Puts a statement behind what the answer has so far. */
function place(draft: { text: string }, statement: Checked, support: CheckedStatement['support']): CheckedStatement {
  const gap = draft.text === '' ? '' : ' ';
  const answerStart = draft.text.length + gap.length;
  const answerEnd = answerStart + statement.text.length;
  draft.text += gap + statement.text;
  return { kind: 'statement', ...statement, text: gap + statement.text, answerStart, answerEnd, support };
}

function outcomeOf(
  ended: ModelOutcome,
  { statements, sent, findings }: Pick<Tally, 'statements' | 'findings'> & { readonly sent: number },
): AnswerOutcome {
  if (ended === 'blocked') return 'blocked';
  if (sent > 0) return 'answered';
  if (findings.size > 0) return 'blocked';
  return statements > 0 ? 'unsupported' : 'not-in-documents';
}

function noticeOf(outcome: AnswerOutcome): string {
  if (outcome === 'blocked') return blocked;
  return outcome === 'unsupported' ? unsupported : notInDocuments;
}
