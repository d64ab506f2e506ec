/** Checks a whole answer with ApplyGuardrail: what a stream cannot be checked for, because it takes the whole of it. */
import { ApplyGuardrailCommand, type GuardrailContentBlock } from '@aws-sdk/client-bedrock-runtime';
import { inBedrock } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import type { ModelMetrics } from '../model-metrics.ts';
import type { AnswerSource, Guardrail, ModelQuote } from '../ports.ts';
import { labelsOf, type ModelRoute } from './bedrock-route.ts';

/** What contextual grounding takes at most (Bedrock's user guide), in characters. */
export const maxGroundingChars = 100_000;
export const maxQueryChars = 1_000;
export const maxCheckedChars = 5_000;

/** An answer that waits to be checked. */
export interface HeldAnswer {
  readonly question: string;
  readonly statements: readonly { readonly text: string; readonly quotes: readonly ModelQuote[] }[];
  readonly sources: readonly AnswerSource[];
}

export interface GuardrailBounds {
  /** Fires at the latest when nothing is left of the answer's time. */
  readonly signal: AbortSignal;
  /** Of each call. */
  readonly timeoutMs: number;
  /** What is left of the answer's time: no pause goes beyond it. */
  readonly leftMs: () => number;
}

/**
 * Whether the guardrail lets the answer through: what it would only mask, it does not, for a masked statement is not the one
 * whose quotes are checked. The answer goes to it in pieces of whole statements, each with the sources that it quotes first
 * and the others while there is room; of a longer question only the beginning is its query.
 * Thrown: AppErrors, as `bedrockError` has them: an answer that could not be checked does not leave.
 */
export async function passesGuardrail(
  route: ModelRoute,
  guardrail: Guardrail,
  held: HeldAnswer,
  bounds: GuardrailBounds & { readonly metrics: ModelMetrics },
): Promise<boolean> {
  for (const piece of piecesOf(held.statements)) {
    const content = contentOf(held, piece);
    const action = await checkPiece(route, guardrail, content, bounds);
    if (action !== 'NONE') return false;
  }
  return true;
}

async function checkPiece(
  route: ModelRoute,
  { id, version }: Guardrail,
  content: GuardrailContentBlock[],
  { signal, timeoutMs, leftMs, metrics }: GuardrailBounds & { readonly metrics: ModelMetrics },
): Promise<string | undefined> {
  const command = new ApplyGuardrailCommand({
    guardrailIdentifier: id,
    guardrailVersion: version,
    source: 'OUTPUT',
    content,
  });
  const send = (abortSignal: AbortSignal) => route.client.send(command, { abortSignal });
  try {
    const { action } = await route.guard.run(() => inBedrock(send, { signal, timeoutMs }), {
      signal,
      timeoutMs: Math.min(timeoutMs, leftMs()),
    });
    metrics.called(labelsOf(route), 'guardrail', 'ok');
    return action;
  } catch (error) {
    const failure = AppError.from(error);
    metrics.called(labelsOf(route), 'guardrail', failure.reason);
    throw failure;
  }
}

type Statement = HeldAnswer['statements'][number];

/** Statements together while they are within what one call takes; a longer one is a piece of its own, and cut. */
function piecesOf(statements: readonly Statement[]): Statement[][] {
  const pieces: Statement[][] = [];
  let chars = Infinity;
  for (const statement of statements) {
    chars += statement.text.length + 1;
    if (chars > maxCheckedChars) {
      pieces.push([]);
      chars = statement.text.length + 1;
    }
    pieces.at(-1)?.push(statement);
  }
  return pieces;
}

function contentOf({ question, sources }: HeldAnswer, piece: readonly Statement[]): GuardrailContentBlock[] {
  const quoted = new Set(piece.flatMap(({ quotes }) => quotes.map(({ sourceNumber }) => sourceNumber)));
  const ordered = [
    ...sources.filter(({ number }) => quoted.has(number)),
    ...sources.filter(({ number }) => !quoted.has(number)),
  ];
  const blocks: GuardrailContentBlock[] = [];
  let left = maxGroundingChars;
  for (const { text } of ordered) {
    left -= text.length;
    if (left < 0) break;
    if (text.trim() !== '') blocks.push({ text: { text, qualifiers: ['grounding_source'] } });
  }
  const checked = piece.map(({ text }) => text).join('\n');
  return [
    ...blocks,
    { text: { text: question.slice(0, maxQueryChars), qualifiers: ['query'] } },
    { text: { text: checked.slice(0, maxCheckedChars), qualifiers: ['guard_content'] } },
  ];
}
