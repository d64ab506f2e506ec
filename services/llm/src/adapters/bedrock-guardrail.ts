/** ApplyGuardrail: checks what a stream is not checked for, a question by itself and a whole answer. */
import {
  ApplyGuardrailCommand,
  type GuardrailContentBlock,
  type GuardrailUsage,
} from '@aws-sdk/client-bedrock-runtime';
import { inBedrock } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import {
  estimatedUnits,
  type GuardrailPrices,
  type GuardrailUnits,
  unitsMicroUsd,
  unitsUsage,
} from '../domain/guardrail-units.ts';
import { maxAnswerChars } from '../domain/read-model.ts';
import type { ModelMetrics } from '../model-metrics.ts';
import type { Allow, AnswerSource, Guardrail, ModelQuote, ModelUsage } from '../ports.ts';
import { createAttempts, labelsOf, type ModelRoute } from './bedrock-route.ts';
import type { GuardrailGuards } from './guardrail-guards.ts';

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
  readonly guardOf: GuardrailGuards;
  /** Fires at the latest when nothing is left of the answer's time. */
  readonly signal: AbortSignal;
  /** Of each call. */
  readonly timeoutMs: number;
  /** What is left of the answer's time: no pause goes beyond it. */
  readonly leftMs: () => number;
  readonly metrics: ModelMetrics;
  readonly prices: GuardrailPrices;
  readonly allow: Allow;
}

/** Told of as used. */
export interface GuardrailUsed {
  readonly kind: 'usage';
  readonly usage: ModelUsage;
}

/** Whether all of the guardrails let the question through. Thrown: AppErrors; what could not be checked is not asked. */
export async function* passQuestion(
  route: ModelRoute,
  guardrails: readonly Guardrail[],
  question: string,
  bounds: GuardrailBounds,
): AsyncGenerator<GuardrailUsed, boolean> {
  const content: GuardrailContentBlock[] = [{ text: { text: question, qualifiers: ['guard_content'] } }];
  for (const guardrail of guardrails) {
    if (!(yield* passes(route, guardrail, { source: 'INPUT', content }, bounds))) return false;
  }
  return true;
}

/**
 * Whether all of the guardrails let the answer through: what they would only mask, they do not, for a masked statement is not the
 * one whose quotes are checked. The answer goes to each in pieces of whole statements, each with the sources that it quotes first
 * and the others while there is room; of a longer question only the beginning is its query.
 * Thrown: AppErrors, as `bedrockError` has them: an answer that could not be checked does not leave.
 */
export async function* passAnswer(
  route: ModelRoute,
  guardrails: readonly Guardrail[],
  held: HeldAnswer,
  bounds: GuardrailBounds,
): AsyncGenerator<GuardrailUsed, boolean> {
  for (const guardrail of guardrails) {
    for (const piece of piecesOf(held.statements)) {
      const content = contentOf(held, piece);
      if (!(yield* passes(route, guardrail, { source: 'OUTPUT', content }, bounds))) return false;
    }
  }
  return true;
}

/** The most that a check of the question costs. */
export function maxQuestionMicroUsd(prices: GuardrailPrices, question: string): number {
  return unitsMicroUsd(prices, estimatedUnits([question.length], undefined));
}

/** The most that a check of the longest answer costs: each piece of it with the sources. Two pieces in a row are more than one takes. */
export function maxAnswerMicroUsd(
  prices: GuardrailPrices,
  { question, sources }: Omit<HeldAnswer, 'statements'>,
): number {
  const pieces = Math.ceil((2 * maxAnswerChars) / maxCheckedChars) + 1;
  const grounding = groundingOf(sources).map(({ length }) => length);
  const query = Math.min(question.length, maxQueryChars);
  return pieces * unitsMicroUsd(prices, estimatedUnits([query, maxCheckedChars], { sources: grounding }));
}

interface Check {
  readonly source: 'INPUT' | 'OUTPUT';
  readonly content: GuardrailContentBlock[];
}

async function* passes(
  route: ModelRoute,
  guardrail: Guardrail,
  { source, content }: Check,
  bounds: GuardrailBounds,
): AsyncGenerator<GuardrailUsed, boolean> {
  const { guardOf, signal, timeoutMs, leftMs, metrics, prices, allow } = bounds;
  const command = new ApplyGuardrailCommand({
    ...{ guardrailIdentifier: guardrail.id, guardrailVersion: guardrail.version },
    ...{ source, content },
  });
  const send = (abortSignal: AbortSignal) => route.client.send(command, { abortSignal });
  const attempts = createAttempts(signal);
  const estimate = unitsMicroUsd(prices, estimateOf(content));
  let failure: AppError | undefined;
  let told: { readonly action?: string | undefined; readonly usage?: GuardrailUsage | undefined } = {};
  try {
    told = await guardOf(guardrail, route.region).run(
      async () => {
        await allow((attempts.read + 1) * estimate);
        return attempts.make(() => inBedrock(send, { signal, timeoutMs }));
      },
      { signal, timeoutMs: Math.min(timeoutMs, leftMs()) },
    );
  } catch (error) {
    failure = AppError.from(error);
  }
  metrics.called(labelsOf(route), 'guardrail', failure?.reason ?? 'ok');
  for (let untold = 0; untold < attempts.read; untold += 1) {
    yield { kind: 'usage', usage: unitsUsage(prices, estimateOf(content)) };
  }
  if (failure !== undefined) throw failure;
  yield { kind: 'usage', usage: unitsUsage(prices, told.usage ? unitsIn(told.usage) : estimateOf(content)) };
  return told.action === 'NONE';
}

function unitsIn(usage: GuardrailUsage): GuardrailUnits {
  return {
    content: usage.contentPolicyUnits ?? 0,
    topic: usage.topicPolicyUnits ?? 0,
    sensitiveInformation: usage.sensitiveInformationPolicyUnits ?? 0,
    grounding: usage.contextualGroundingPolicyUnits ?? 0,
    automatedReasoning: usage.automatedReasoningPolicyUnits ?? 0,
  };
}

function estimateOf(content: readonly GuardrailContentBlock[]): GuardrailUnits {
  const charsOf = (isWanted: (qualifiers: readonly string[]) => boolean): number[] =>
    content.flatMap(({ text }) => (text && isWanted(text.qualifiers ?? []) ? [(text.text ?? '').length] : []));
  const sources = charsOf((qualifiers) => qualifiers.includes('grounding_source'));
  return estimatedUnits(
    charsOf((qualifiers) => !qualifiers.includes('grounding_source')),
    sources.length === 0 ? undefined : { sources },
  );
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
  const checked = piece.map(({ text }) => text).join('\n');
  return [
    ...groundingOf(ordered).map((text) => ({ text: { text, qualifiers: ['grounding_source' as const] } })),
    { text: { text: question.slice(0, maxQueryChars), qualifiers: ['query'] } },
    { text: { text: checked.slice(0, maxCheckedChars), qualifiers: ['guard_content'] } },
  ];
}

/** As many of the sources, in their order, as grounding takes. */
function groundingOf(sources: readonly AnswerSource[]): string[] {
  const texts: string[] = [];
  let left = maxGroundingChars;
  for (const { text } of sources) {
    left -= text.length;
    if (left < 0) break;
    if (text.trim() !== '') texts.push(text);
  }
  return texts;
}
