/** Claude on Amazon Bedrock: answers as a stream of statements, each as soon as its line is complete. */
import { AppError } from '@wardstone/rpc';
import { planPrompt } from '../domain/context-budget.ts';
import {
  charsOfToken,
  estimatedUnits,
  type GuardrailPrices,
  unitsMicroUsd,
  unitsUsage,
} from '../domain/guardrail-units.ts';
import { checkedText, type GuardrailCheck, type GuardrailPlan, planGuardrails } from '../domain/guardrails.ts';
import { maxCostMicroUsd } from '../domain/model-cards.ts';
import { markerCode, type PromptTemplate, renderSystem, renderUser } from '../domain/prompt.ts';
import { maxAnswerChars } from '../domain/read-model.ts';
import { createStatementLines, type ModelLine, type StatementLines } from '../domain/statement-lines.ts';
import { estimateTokens } from '../domain/token-estimate.ts';
import type { ModelMetrics } from '../model-metrics.ts';
import type { Allow, AnswerInput, AnswerModel, Guardrail, ModelEvent, ModelOutcome } from '../ports.ts';
import { readAnswerStream, type StreamEnd, type StreamLimits } from './bedrock-answer-stream.ts';
import { maxAnswerMicroUsd, maxQuestionMicroUsd, passAnswer, passQuestion } from './bedrock-guardrail.ts';
import { converseRequest, type PromptToSend, tokensOfPrompt } from './bedrock-request.ts';
import { rewriteQuestion } from './bedrock-rewrite.ts';
import { labelsOf, mayGoElsewhere, type ModelRoute, type ModelRoutes } from './bedrock-route.ts';
import { type GuardrailGuards, routeWith } from './guardrail-guards.ts';

export interface ClaudeLimits extends StreamLimits {
  /** Of an answer with all its attempts and fallbacks. */
  readonly answerTimeoutMs: number;
  readonly rewriteTimeoutMs: number;
  /** Of a call that checks a piece of an answer. */
  readonly guardrailTimeoutMs: number;
}

export interface ClaudeOptions {
  /** The model's own first; it is named after that one's card. */
  readonly routes: ModelRoutes;
  /** Rewrites follow-up questions. */
  readonly rewriteRoute: ModelRoute;
  readonly prompts: { readonly answer: PromptTemplate; readonly rewrite: PromptTemplate };
  /** Stands in the system prompt and belongs into no answer. */
  readonly canary: string;
  /** A code for markers, new with every call. */
  readonly drawCode: () => string;
  readonly limits: ClaudeLimits;
  /** Of the installation; a tenant's own comes with the question, beside it. */
  readonly guardrail: Guardrail | undefined;
  /** `whole` also for the grounding, which a stream of JSON lines is a poor text for. */
  readonly guardrailCheck: GuardrailCheck;
  readonly guardrailPrices: GuardrailPrices;
  readonly guardrailGuards: GuardrailGuards;
  readonly metrics: ModelMetrics;
}

/** Where nothing bounds what is spent. */
const allowAll: Allow = () => Promise.resolve();
/** A caller who waits until a moment is answered this much before it, so that what went wrong still arrives. */
const deadlineMarginMs = 100;

/** Claude as an AnswerModel. Without sources it is not asked at all: the documents do not answer. */
export function createClaude(options: ClaudeOptions): AnswerModel {
  const { routes, prompts, canary, metrics } = options;
  const system = renderSystem(prompts.answer, canary);
  const rewriteSystem = renderSystem(prompts.rewrite, canary);
  // What fits into the smallest context fits wherever the answer may go.
  const budget = {
    contextTokens: Math.min(...routes.map(({ card }) => card.contextTokens)),
    maxOutputTokens: Math.max(...routes.map(({ card }) => card.maxOutputTokens)),
    templateTokens: estimateTokens(system) + estimateTokens(prompts.answer.user),
  };
  const rewriting = {
    ...{ route: options.rewriteRoute, template: prompts.rewrite, system: rewriteSystem, metrics },
    ...{ drawCode: options.drawCode, timeoutMs: options.limits.rewriteTimeoutMs },
    ...{ floor: options.guardrail, prices: options.guardrailPrices },
    ...{ guardOf: options.guardrailGuards, guardrailTimeoutMs: options.limits.guardrailTimeoutMs },
  };
  return {
    id: routes[0].card.id,
    promptVersion: prompts.answer.version,
    takesGuardrail: true,
    confidential: [system, rewriteSystem],
    fit: (input) => planPrompt(budget, input).sources,
    maxMicroUsd(input) {
      const { promptTokens } = planPrompt(budget, input);
      return Math.max(
        ...routes.map(({ card }) => maxCostMicroUsd(card, promptTokens) + guardrailCost(options, card, input)),
      );
    },
    async *answer(input, signal) {
      signal.throwIfAborted();
      if (input.sources.length === 0) {
        yield { kind: 'done', outcome: 'not-in-documents' };
        return;
      }
      const { question, language } = input;
      const data = { ...planPrompt(budget, input), question, language };
      const parts = renderUser(prompts.answer, data, markerCode(data, options.drawCode));
      yield* answerSomewhere(options, { prompt: { system, parts }, input: { allow: allowAll, ...input } }, signal);
    },
    rewrite: (asked, signal) => rewriteQuestion(rewriting, { allow: allowAll, ...asked }, signal),
  };
}

interface Asked {
  readonly prompt: PromptToSend;
  readonly input: AnswerInput & { readonly allow: Allow };
}

/** Goes on with the next route as long as nothing was told; what a failed one used is told nevertheless. */
async function* answerSomewhere(options: ClaudeOptions, asked: Asked, caller: AbortSignal): AsyncGenerator<ModelEvent> {
  const time = timeOf(options.limits, asked.input, caller);
  try {
    let told = false;
    for (const [index, route] of options.routes.entries()) {
      try {
        for await (const event of answerOnce(options, route, { ...asked, time })) {
          told ||= event.kind === 'statement';
          time.handed();
          yield event;
          time.taken();
        }
        return;
      } catch (error) {
        const next = options.routes[index + 1];
        const failure = AppError.from(error);
        if (told || next === undefined || time.signal.aborted || !mayGoElsewhere(failure.reason)) throw failure;
        options.metrics.fellBack(labelsOf(next));
      }
    }
  } finally {
    time.end();
  }
}

/** What is left of the time, for all that an answer takes. */
interface AnswerTime {
  /**
   * Fires with the caller's own, and when the time is over: with MODEL_TIMEOUT when it was ours, and with DEADLINE_EXCEEDED when
   * it was the caller's, or most of it went by while nobody read what there was. None of that opens anybody's circuit: the model is
   * judged by its own silences.
   */
  readonly signal: AbortSignal;
  /** An event is the reader's now. */
  handed(): void;
  /** The reader wants the next one. */
  taken(): void;
  leftMs(): number;
  /** Nothing waits for it any more. */
  end(): void;
}

function timeOf({ answerTimeoutMs }: ClaudeLimits, { waitsUntilMs }: AnswerInput, caller: AbortSignal): AnswerTime {
  const own = new AbortController();
  const now = performance.now();
  const ownUntilMs = now + answerTimeoutMs;
  const callerUntilMs = (waitsUntilMs ?? Infinity) - deadlineMarginMs;
  const untilMs = Math.min(ownUntilMs, callerUntilMs);
  let [readMs, handedAtMs]: [number, number | undefined] = [0, undefined];
  const taken = (): void => {
    readMs += handedAtMs === undefined ? 0 : performance.now() - handedAtMs;
    handedAtMs = undefined;
  };
  const stop = (): void => {
    taken();
    const isCallers = callerUntilMs < ownUntilMs || readMs > answerTimeoutMs / 2;
    own.abort(new AppError(isCallers ? 'DEADLINE_EXCEEDED' : 'MODEL_TIMEOUT'));
  };
  const timer = setTimeout(stop, Math.max(1, untilMs - now));
  return {
    signal: AbortSignal.any([caller, own.signal]),
    handed: () => (handedAtMs = performance.now()),
    taken,
    leftMs: () => Math.max(1, untilMs - performance.now()),
    end: () => clearTimeout(timer),
  };
}

function guardrailsOf({ guardrail, guardrailCheck }: ClaudeOptions, input: AnswerInput): GuardrailPlan {
  return planGuardrails(guardrail, input.guardrail, guardrailCheck);
}

/** What the guardrail in the stream is billed for, so many attempts of which the last one wrote so much. */
function inStreamUnits({ guardrailCheck }: ClaudeOptions, input: AnswerInput) {
  const { sources } = input;
  const checkedChars = checkedText(input).length;
  return (attempts: number, writtenChars: number) => {
    const asked = Array.from({ length: attempts }, () => checkedChars);
    const read = Array.from({ length: attempts }, () => sources.map(({ text }) => text.length)).flat();
    return estimatedUnits([...asked, writtenChars], guardrailCheck === 'stream' ? { sources: read } : undefined);
  };
}

/** The most that guardrails may cost with an answer: of the question, in the stream, and of the whole. */
function guardrailCost(options: ClaudeOptions, { maxOutputTokens }: ModelRoute['card'], input: AnswerInput): number {
  const { inStream, ofQuestion, ofAnswer } = guardrailsOf(options, input);
  const prices = options.guardrailPrices;
  const streamed = inStreamUnits(options, input)(1, maxOutputTokens * charsOfToken);
  return (
    ofQuestion.length * maxQuestionMicroUsd(prices, checkedText(input)) +
    (inStream === undefined ? 0 : unitsMicroUsd(prices, streamed)) +
    ofAnswer.length * maxAnswerMicroUsd(prices, input)
  );
}

/** One answer of one model. */
async function* answerOnce(
  options: ClaudeOptions,
  route: ModelRoute,
  { prompt, input, time }: Asked & { readonly time: AnswerTime },
): AsyncGenerator<ModelEvent> {
  const { guardrailCheck, guardrailPrices: prices, guardrailGuards: guardOf, limits, metrics } = options;
  const { inStream, ofQuestion, ofAnswer } = guardrailsOf(options, input);
  const { question, sources, allow } = input;
  const { signal, leftMs } = time;
  const bounds = { guardOf, signal, timeoutMs: limits.guardrailTimeoutMs, leftMs, metrics, prices, allow };
  if (!(yield* passQuestion(route, ofQuestion, checkedText(input), bounds))) {
    yield { kind: 'done', outcome: 'blocked' };
    return;
  }
  const isHeld = ofAnswer.length > 0;
  const units = inStreamUnits(options, input);
  const stop = new AbortController();
  const called = routeWith(route, { inStream, floor: options.guardrail }, guardOf);
  const parts = readAnswerStream(called, {
    request: converseRequest(
      route.card,
      prompt,
      inStream && { ...inStream, checksGrounding: guardrailCheck === 'stream' },
    ),
    promptTokens: tokensOfPrompt(prompt),
    ...{ limits, metrics, signal: AbortSignal.any([signal, stop.signal]), timeoutMs: leftMs() },
    ...{ allow, guardrailMicroUsd: guardrailCost(options, route.card, input) },
    guarded: inStream && ((attempts, writtenChars) => unitsUsage(prices, units(attempts, writtenChars))),
  });
  const reading = createReading();
  const held: Extract<ModelEvent, { kind: 'statement' }>[] = [];
  try {
    for await (const part of parts) {
      if (part.kind === 'usage') yield part;
      for (const statement of reading.read(part)) {
        if (isHeld) held.push(statement);
        else yield statement;
      }
      if (reading.isFull) stop.abort(new AppError('CANCELLED'));
    }
  } catch (error) {
    // An answer that is as long as one may be was stopped by ourselves.
    if (!reading.isFull || time.signal.aborted) throw error;
  }
  const outcome = reading.outcome();
  if (isHeld && outcome !== 'blocked' && held.length > 0) {
    if (!(yield* passAnswer(route, ofAnswer, { question, sources, statements: held }, bounds))) {
      yield { kind: 'done', outcome: 'blocked' };
      return;
    }
  }
  if (outcome !== 'blocked') yield* held;
  yield { kind: 'done', outcome };
}

type Statement = Extract<ModelEvent, { readonly kind: 'statement' }>;
type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'usage' }
  | { readonly kind: 'end'; readonly outcome: StreamEnd };

/** Turns the parts of a stream into statements, and into what came of them. */
interface Reading {
  read(part: Part): Statement[];
  readonly isFull: boolean;
  /** Thrown: AppError MODEL_STREAM_BROKEN when the model has said nothing. */
  outcome(): ModelOutcome;
}

function createReading(): Reading {
  const lines: StatementLines = createStatementLines();
  let end: StreamEnd = 'cut';
  let [statements, chars, saidNone] = [0, 0, false];

  /** What follows a line that says that the documents do not say, is none of the answer. */
  const take = (found: readonly ModelLine[]): Statement[] => {
    const taken: Statement[] = [];
    for (const line of found) {
      if (line.kind === 'none') saidNone ||= statements === 0;
      else if (!saidNone) {
        statements += 1;
        chars += line.text.length;
        taken.push(line);
      }
    }
    return taken;
  };

  return {
    read(part) {
      if (part.kind === 'text') return take(lines.push(part.text));
      if (part.kind !== 'end') return [];
      end = part.outcome;
      // What a guardrail says in place of an answer is no line of the model's.
      return end === 'blocked' ? [] : take(lines.end({ wasCut: end === 'cut' }));
    },
    get isFull() {
      return lines.isFull || chars >= maxAnswerChars;
    },
    outcome() {
      if (saidNone && end !== 'blocked') return 'not-in-documents';
      // Silence is not what the documents say.
      if (end === 'answered' && statements === 0) {
        throw new AppError('MODEL_STREAM_BROKEN', { cause: new Error('the model ended without a line') });
      }
      return end;
    },
  };
}
