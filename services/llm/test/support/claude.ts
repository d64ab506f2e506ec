/** Claude's adapter over a double of Bedrock, which answers from what it is sent. */
import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { createBedrockRuntime, createModelGuard, type ModelGuardOptions } from '@wardstone/aws/bedrock';
import { testAwsRegion, useTestAwsCredentials } from '@wardstone/testing/aws';
import {
  type BedrockDouble,
  type BedrockDoubleOptions,
  type BedrockRequest,
  type ConverseEvent,
  type ConverseHandler,
  type Json,
  startBedrockDouble,
  textAnswer,
} from '@wardstone/testing/bedrock';
import { type ClaudeOptions, createClaude } from '../../src/adapters/bedrock-claude.ts';
import type { ModelRoute } from '../../src/adapters/bedrock-route.ts';
import { defaultCardsText } from '../../src/adapters/cards-file.ts';
import { createGuardrailGuards } from '../../src/adapters/guardrail-guards.ts';
import { answerPromptVersion, loadPrompt, rewritePromptVersion } from '../../src/adapters/prompt-files.ts';
import { splitSentences } from '../../src/domain/sentences.ts';
import { termsOf } from '../../src/domain/terms.ts';
import { type BedrockCard, cardsSchema, type RerankerCard } from '../../src/domain/model-cards.ts';
import type { ModelMetrics } from '../../src/model-metrics.ts';
import type { AnswerInput, AnswerModel, ModelEvent } from '../../src/ports.ts';
import { sourceOf } from './sources.ts';

const cards = cardsSchema.parse(JSON.parse(defaultCardsText()));
export const [quality, fast, conservative] = cards.models as [BedrockCard, BedrockCard, BedrockCard];
export const [rerankerCard] = cards.rerankers as [RerankerCard];

/** Far beyond what any test takes. */
export const longMs = 60_000;
const delays = { firstMs: 1, maxMs: 2 };
export const canary = 'canary-4f1d';

export interface ClaudeSuite {
  double: BedrockDouble;
  runtime: BedrockRuntimeClient;
  /** What metrics were told, as words. */
  told: string[];
  /** A route to the double. */
  route(card?: BedrockCard, guard?: ModelGuardOptions): ModelRoute;
  claude(options?: Partial<ClaudeOptions>): AnswerModel;
}

/** A double, with the handler below, for each test of a suite. */
export function useClaude(options: BedrockDoubleOptions = {}): Readonly<ClaudeSuite> {
  useTestAwsCredentials();
  const suite = {} as ClaudeSuite;
  suite.route = (card = quality, guard = {}) => ({
    card,
    region: testAwsRegion,
    client: suite.runtime,
    guard: createModelGuard({ delays, ...guard }),
  });
  suite.claude = (own = {}) =>
    createClaude({
      routes: [suite.route()],
      rewriteRoute: suite.route(fast),
      prompts: { answer: loadPrompt(answerPromptVersion), rewrite: loadPrompt(rewritePromptVersion) },
      canary,
      drawCode: () => 'c0de',
      limits: { ...limits },
      guardrail: undefined,
      guardrailCheck: 'stream',
      guardrailPrices: cards.guardrails,
      guardrailGuards: createGuardrailGuards(() => createModelGuard({ delays })),
      metrics: recordingMetrics(suite.told),
      ...own,
    });
  beforeEach(async () => {
    suite.double = await startBedrockDouble(options);
    suite.double.onConverse(wellBehaved);
    const { endpoint, region } = suite.double;
    suite.runtime = createBedrockRuntime({ region, endpoint, requestTimeoutMs: longMs, userAgent: 'wardstone-test' });
    suite.told = [];
  });
  afterEach(async () => {
    suite.runtime.destroy();
    await suite.double.close();
  });
  return suite;
}

export const limits = {
  firstTokenTimeoutMs: longMs,
  stallTimeoutMs: longMs,
  answerTimeoutMs: longMs,
  rewriteTimeoutMs: longMs,
  guardrailTimeoutMs: longMs,
};

function recordingMetrics(told: string[]): ModelMetrics {
  return {
    called: ({ model }, operation, outcome) => told.push(`${operation} ${model} ${outcome}`),
    retried: ({ model }, reason) => told.push(`retry ${model} ${reason}`),
    began: ({ model }) => told.push(`began ${model}`),
    fellBack: ({ model, region }) => told.push(`fallback ${model} ${region}`),
    circuit: ({ model }, position) => told.push(`circuit ${model} ${position}`),
    rewritten: (how) => told.push(`rewrite ${how}`),
    reranked: (reranker, outcome) => told.push(`rerank ${reranker} ${outcome}`),
  };
}

/** The texts of a request's only message, in order. */
export function messageOf(body: Json): string {
  const [message] = body['messages'] as { content: Json[] }[];
  return (message?.content ?? []).map((block) => String(textIn(block))).join('');
}

function textIn(block: Json): unknown {
  const { text, guardContent } = block;
  return text ?? (guardContent as { text: { text: string } } | undefined)?.text.text;
}

/** A model that does what the prompt says: JSON lines of the excerpts' sentences that bear on the question. */
export const wellBehaved: ConverseHandler = ({ body }: BedrockRequest) => {
  const message = messageOf(body);
  const [, question = ''] = /<question-c0de>\n(.*?)\n<\/question-c0de>/su.exec(message) ?? [];
  const excerpts = [...message.matchAll(/<excerpt-c0de number=(\d+)[^\n]*>\n(.*?)\n<\/excerpt-c0de>/gsu)];
  if (message.includes('The question to rewrite')) {
    const [, asked = ''] = /<asked-c0de>\n(.*?)\n<\/asked-c0de>/su.exec(message) ?? [];
    return textAnswer(JSON.stringify({ question: `${asked} ${question}` }));
  }
  const terms = termsOf(question);
  const lines = excerpts.flatMap(([, number, text = '']) =>
    splitSentences(text)
      .map(({ start, end }) => text.slice(start, end))
      .filter((sentence) => termsOf(sentence).filter((term) => terms.includes(term)).length >= 2)
      .map((sentence) => lineOf(sentence, Number(number), sentence)),
  );
  return textAnswer(lines.length === 0 ? '{"none":true}\n' : lines.join(''));
};

/** A line of an answer. */
export function lineOf(statement: string, n: number, q: string): string {
  return `${JSON.stringify({ s: statement, q: [{ n, q }] })}\n`;
}

const quote = 'Warfarin was stopped because of bleeding.';
/** A question with one source, the answer to it as `answeredInPieces` gives it, and its first statement. */
export const input: AnswerInput = {
  question: 'Why was warfarin stopped?',
  history: [],
  sources: [sourceOf({ text: quote })],
};
export const line = lineOf('It was stopped.', 1, quote);
export const statement: ModelEvent = {
  kind: 'statement',
  text: 'It was stopped.',
  quotes: [{ sourceNumber: 1, quote }],
};
const secondLine = lineOf('It bled.', 1, quote);

export function delta(text: string): ConverseEvent {
  return { contentBlockDelta: { contentBlockIndex: 0, delta: { text } } };
}

/** The beginning, the first line, half of the second one, its other half, and the ending. */
export function answeredInPieces(): ConverseEvent[] {
  const [half, rest] = [secondLine.slice(0, 9), secondLine.slice(9)];
  const ending = textAnswer(line + secondLine).slice(-3);
  return [{ messageStart: { role: 'assistant' } }, delta(line), delta(half), delta(rest), ...ending];
}

/**
 * An answer for faults after its half line, which strike when the first statement has been read: what is on its way when a
 * connection breaks may be lost.
 */
export function brokenStream(): { readonly script: ConverseHandler; readonly onEvent: () => void } {
  const { promise: read, resolve: onEvent } = Promise.withResolvers<undefined>();
  const script: ConverseHandler = async function* () {
    const events = answeredInPieces();
    yield* events.slice(0, brokenStream.framesBeforeFault);
    await read;
    yield* events.slice(brokenStream.framesBeforeFault);
  };
  return { script, onEvent: () => onEvent(undefined) };
}
brokenStream.framesBeforeFault = 3;

/** An answer up to where it ended, and the error that it ended with. */
export async function readAll(
  model: AnswerModel,
  asked: AnswerInput,
  signal: AbortSignal = new AbortController().signal,
  onEvent: () => void = () => undefined,
): Promise<{ readonly events: ModelEvent[]; readonly error: unknown }> {
  const events: ModelEvent[] = [];
  try {
    for await (const event of model.answer(asked, signal)) {
      events.push(event);
      onEvent();
    }
    return { events, error: undefined };
  } catch (error) {
    return { events, error };
  }
}
