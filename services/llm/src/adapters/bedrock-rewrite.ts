/** Follow-up questions put into words that need no conversation, by a quick model. */
import { ConverseCommand, type ConverseCommandOutput } from '@aws-sdk/client-bedrock-runtime';
import { inBedrock } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import { z } from 'zod';
import { maxCostMicroUsd, type UsedTokens, usageOf } from '../domain/model-cards.ts';
import { markerCode, type PromptPart, type PromptTemplate, renderUser } from '../domain/prompt.ts';
import { estimateTokens } from '../domain/token-estimate.ts';
import type { ModelMetrics } from '../model-metrics.ts';
import type { FollowUp } from '../ports.ts';
import { tokensOf } from './bedrock-answer-stream.ts';
import { samplingOf, textOf } from './bedrock-request.ts';
import { createAttempts, labelsOf, type Attempts, type ModelRoute } from './bedrock-route.ts';

export interface RewriteOptions {
  readonly route: ModelRoute;
  readonly template: PromptTemplate;
  /** The system prompt, rendered. */
  readonly system: string;
  readonly drawCode: () => string;
  /** Of all attempts. */
  readonly timeoutMs: number;
  readonly metrics: ModelMetrics;
}

/** Room for the question and for a model that thinks before it writes. */
const maxOutputTokens = 2_048;
/** As long as a question may be. */
const maxQuestionChars = 4_000;

/**
 * The question in words that stand alone; the question as it was when the model fails, writes something else or costs more than may be
 * spent, for an answer to it is better than none. Whoever waits for it may leave; what it used until then is told.
 * Thrown: AppErrors CANCELLED and DEADLINE_EXCEEDED, of the signal.
 */
export async function rewriteQuestion(options: RewriteOptions, asked: FollowUp, signal: AbortSignal): Promise<string> {
  const { route, metrics } = options;
  const { question, spent } = asked;
  const prompt = promptOf(options, asked);
  const attempts = createAttempts(signal);
  let answer: ConverseCommandOutput;
  try {
    answer = await converse(options, { asked, prompt, attempts }, signal);
    metrics.called(labelsOf(route), 'rewrite', 'ok');
  } catch (error) {
    const failure = AppError.from(error);
    metrics.called(labelsOf(route), 'rewrite', failure.reason);
    if (signal.aborted) throw failure;
    metrics.rewritten('failed');
    return question;
  } finally {
    if (attempts.read > 0) spent(usageOf(route.card, estimateOf(attempts.read * prompt.tokens, '')));
  }
  const text = textIn(answer);
  spent(usageOf(route.card, answer.usage === undefined ? estimateOf(prompt.tokens, text) : tokensOf(answer.usage)));
  const rewritten = questionIn(text);
  metrics.rewritten(rewritten === undefined ? 'malformed' : rewritten === question ? 'as-asked' : 'rewritten');
  return rewritten ?? question;
}

/** What is counted where Bedrock has not said what it counted. */
function estimateOf(inputTokens: number, written: string): UsedTokens {
  return { inputTokens, outputTokens: estimateTokens(written), cacheReadTokens: 0, cacheWriteTokens: 0 };
}

interface Prompt {
  readonly parts: readonly PromptPart[];
  readonly tokens: number;
}

function promptOf({ template, system, drawCode }: RewriteOptions, { question, history }: FollowUp): Prompt {
  const data = { question, history, sources: [] };
  const parts = renderUser(template, data, markerCode(data, drawCode));
  const texts = [system, ...parts.map(({ text }) => text)];
  return { parts, tokens: texts.reduce((sum, text) => sum + estimateTokens(text), 0) };
}

async function converse(
  { route, system, timeoutMs }: RewriteOptions,
  rewriting: { readonly asked: FollowUp; readonly prompt: Prompt; readonly attempts: Attempts },
  signal: AbortSignal,
): Promise<ConverseCommandOutput> {
  const { card, client, guard } = route;
  const { asked, prompt, attempts } = rewriting;
  const maxTokens = Math.min(maxOutputTokens, card.maxOutputTokens);
  const command = new ConverseCommand({
    modelId: card.id,
    system: [{ text: system }],
    messages: [{ role: 'user', content: [textOf(prompt.parts)] }],
    inferenceConfig: { maxTokens, ...samplingOf(card) },
  });
  const promptMicroUsd = maxCostMicroUsd({ ...card, maxOutputTokens: 0 }, prompt.tokens);
  const maxMicroUsd = maxCostMicroUsd({ ...card, maxOutputTokens: maxTokens }, prompt.tokens);
  const endsAtMs = performance.now() + timeoutMs;
  const send = (abortSignal: AbortSignal) => client.send(command, { abortSignal });
  return guard.run(
    async () => {
      await asked.allow?.(attempts.read * promptMicroUsd + maxMicroUsd);
      return attempts.make(() => inBedrock(send, { signal, timeoutMs: Math.max(1, endsAtMs - performance.now()) }));
    },
    { signal, timeoutMs },
  );
}

/** The text of an answer, whatever blocks stand before or between it. */
function textIn({ output }: ConverseCommandOutput): string {
  return (output?.message?.content ?? []).map((block) => block.text ?? '').join('');
}

const questionSchema = z.object({ question: z.string() });
/** A line of JSON, alone or in a code fence. */
const json = /^(?:```\w*\s*)?(\{.*\})(?:\s*```)?$/su;

/** Undefined when it is not of the form. */
function questionIn(text: string): string | undefined {
  const [, object = ''] = json.exec(text.trim()) ?? [];
  try {
    const { question } = questionSchema.parse(JSON.parse(object));
    const line = question.replace(/[\s\p{Cc}]+/gu, ' ').trim();
    return line === '' || line.length > maxQuestionChars ? undefined : line;
  } catch {
    return undefined;
  }
}
