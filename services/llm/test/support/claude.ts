/** Claude's adapter over a double of Bedrock, which answers from what it is sent. */
import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { createBedrockRuntime, createModelGuard, type ModelGuardOptions } from '@wardstone/aws/bedrock';
import { testAwsRegion, useTestAwsCredentials } from '@wardstone/testing/aws';
import {
  type BedrockDouble,
  type BedrockDoubleOptions,
  type BedrockRequest,
  type ConverseHandler,
  type Json,
  startBedrockDouble,
  textAnswer,
} from '@wardstone/testing/bedrock';
import { type ClaudeOptions, createClaude } from '../../src/adapters/bedrock-claude.ts';
import type { ModelRoute } from '../../src/adapters/bedrock-route.ts';
import { defaultCardsText } from '../../src/adapters/cards-file.ts';
import { answerPromptVersion, loadPrompt, rewritePromptVersion } from '../../src/adapters/prompt-files.ts';
import { splitSentences } from '../../src/domain/sentences.ts';
import { termsOf } from '../../src/domain/terms.ts';
import { type BedrockCard, cardsSchema } from '../../src/domain/model-cards.ts';
import type { ModelMetrics } from '../../src/model-metrics.ts';
import type { AnswerInput, AnswerModel, ModelEvent } from '../../src/ports.ts';

export const [quality, fast, conservative] = cardsSchema.parse(JSON.parse(defaultCardsText())).models as [
  BedrockCard,
  BedrockCard,
  BedrockCard,
];

/** Far beyond what any test takes. */
export const longMs = 60_000;
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
    guard: createModelGuard({ delays: { firstMs: 1, maxMs: 2 }, ...guard }),
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
    retried: ({ model }, operation, reason) => told.push(`retry ${operation} ${model} ${reason}`),
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

/** An answer up to where it ended, and the error that it ended with. */
export async function readAll(
  model: AnswerModel,
  input: AnswerInput,
  signal: AbortSignal = new AbortController().signal,
): Promise<{ readonly events: ModelEvent[]; readonly error: unknown }> {
  const events: ModelEvent[] = [];
  try {
    for await (const event of model.answer(input, signal)) events.push(event);
    return { events, error: undefined };
  } catch (error) {
    return { events, error };
  }
}
