/** Follow-up questions put into words that need no conversation, by a quick model. */
import { ConverseCommand, type ConverseCommandOutput } from '@aws-sdk/client-bedrock-runtime';
import { inBedrock } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import { z } from 'zod';
import {
  charsOfToken,
  estimatedUnits,
  type GuardrailPrices,
  unitsMicroUsd,
  unitsUsage,
} from '../domain/guardrail-units.ts';
import { checkedText, planGuardrails } from '../domain/guardrails.ts';
import { maxCostMicroUsd, type UsedTokens, usageOf } from '../domain/model-cards.ts';
import { markerCode, type PromptPart, type PromptTemplate, renderUser } from '../domain/prompt.ts';
import { estimateTokens } from '../domain/token-estimate.ts';
import type { ModelMetrics } from '../model-metrics.ts';
import type { Allow, FollowUp, Guardrail } from '../ports.ts';
import { tokensOf } from './bedrock-answer-stream.ts';
import { passQuestion } from './bedrock-guardrail.ts';
import { guardrailConfig, guarded, samplingOf, textOf, tokensOfPrompt } from './bedrock-request.ts';
import { createAttempts, labelsOf, type Attempts, type ModelRoute } from './bedrock-route.ts';
import { type GuardrailGuards, routeWith } from './guardrail-guards.ts';

export interface RewriteOptions {
  readonly route: ModelRoute;
  readonly template: PromptTemplate;
  /** The system prompt, rendered. */
  readonly system: string;
  readonly drawCode: () => string;
  /** Of all attempts. */
  readonly timeoutMs: number;
  /** The installation's guardrail. */
  readonly floor: Guardrail | undefined;
  readonly prices: GuardrailPrices;
  readonly guardOf: GuardrailGuards;
  /** Of a call that checks the question. */
  readonly guardrailTimeoutMs: number;
  readonly metrics: ModelMetrics;
}

type Asked = FollowUp & { readonly allow: Allow };

/** Room for the question and for a model that thinks before it writes. */
const maxOutputTokens = 2_048;
/** As long as a question may be. */
const maxQuestionChars = 4_000;

/**
 * The question in words that stand alone; the question as it was when the model fails, writes something else or costs more than may be
 * spent, or a guardrail steps in, for an answer to it is better than none, and passes the guardrails too. Whoever waits for it may
 * leave; what it used until then is told.
 * Thrown: AppErrors CANCELLED and DEADLINE_EXCEEDED, of the signal.
 */
export async function rewriteQuestion(options: RewriteOptions, asked: Asked, signal: AbortSignal): Promise<string> {
  const { metrics } = options;
  const { question } = asked;
  let answer: ConverseCommandOutput | undefined;
  try {
    answer = (await mayBeRewritten(options, asked, signal)) ? await askModel(options, asked, signal) : undefined;
  } catch (error) {
    const failure = AppError.from(error);
    if (signal.aborted) throw failure;
    metrics.rewritten('failed');
    return question;
  }
  if (answer === undefined || answer.stopReason === 'guardrail_intervened') {
    metrics.rewritten('blocked');
    return question;
  }
  const rewritten = questionIn(textIn(answer));
  metrics.rewritten(rewritten === undefined ? 'malformed' : rewritten === question ? 'as-asked' : 'rewritten');
  return rewritten ?? question;
}

/** Whether the guardrails that the call of the model has no place for let the question through. */
async function mayBeRewritten(options: RewriteOptions, asked: Asked, signal: AbortSignal): Promise<boolean> {
  const { route, floor, prices, guardOf, metrics } = options;
  const timeoutMs = Math.min(options.guardrailTimeoutMs, options.timeoutMs);
  const { ofQuestion } = planGuardrails(floor, asked.guardrail, 'stream');
  const { allow } = asked;
  const bounds = { guardOf, signal, timeoutMs, leftMs: () => timeoutMs, metrics, prices, allow };
  const checking = passQuestion(route, ofQuestion, checkedText(asked), bounds);
  for (;;) {
    const next = await checking.next();
    if (next.done === true) return next.value;
    asked.spent(next.value.usage);
  }
}

/** Thrown: AppErrors; what was used is told however it ends. */
async function askModel(options: RewriteOptions, asked: Asked, signal: AbortSignal): Promise<ConverseCommandOutput> {
  const { route, floor, prices, metrics } = options;
  const prompt = promptOf(options, asked);
  const attempts = createAttempts(signal);
  const { inStream } = planGuardrails(floor, asked.guardrail, 'stream');
  const checked = (written: string) => estimatedUnits([checkedText(asked).length, written.length], undefined);
  try {
    const answer = await converse(options, { asked, prompt, attempts, inStream }, signal);
    metrics.called(labelsOf(route), 'rewrite', 'ok');
    const text = textIn(answer);
    const { usage } = answer;
    asked.spent(usageOf(route.card, usage === undefined ? estimateOf(prompt.tokens, text) : tokensOf(usage)));
    if (inStream) asked.spent(unitsUsage(prices, checked(text)));
    return answer;
  } catch (error) {
    const failure = AppError.from(error);
    metrics.called(labelsOf(route), 'rewrite', failure.reason);
    throw failure;
  } finally {
    if (attempts.read > 0) asked.spent(usageOf(route.card, estimateOf(attempts.read * prompt.tokens, '')));
    for (let read = 0; inStream && read < attempts.read; read += 1) asked.spent(unitsUsage(prices, checked('')));
  }
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
  return { parts, tokens: tokensOfPrompt({ system, parts }) };
}

async function converse(
  { route, system, prices, timeoutMs, floor, guardOf }: RewriteOptions,
  rewriting: {
    readonly asked: Asked;
    readonly prompt: Prompt;
    readonly attempts: Attempts;
    readonly inStream: Guardrail | undefined;
  },
  signal: AbortSignal,
): Promise<ConverseCommandOutput> {
  const { asked, prompt, attempts, inStream } = rewriting;
  const { card, client, guard } = routeWith(route, { inStream, floor }, guardOf);
  const { parts, tokens } = prompt;
  const maxTokens = Math.min(maxOutputTokens, card.maxOutputTokens);
  const command = new ConverseCommand({
    modelId: card.id,
    system: [{ text: system }],
    messages: [{ role: 'user', content: inStream ? guarded(parts, { checksGrounding: false }) : [textOf(parts)] }],
    inferenceConfig: { maxTokens, ...samplingOf(card) },
    ...(inStream && { guardrailConfig: guardrailConfig(inStream) }),
  });
  const guardedMicroUsd = (writtenChars: number): number =>
    inStream ? unitsMicroUsd(prices, estimatedUnits([checkedText(asked).length, writtenChars], undefined)) : 0;
  const promptMicroUsd = maxCostMicroUsd({ ...card, maxOutputTokens: 0 }, tokens) + guardedMicroUsd(0);
  const maxMicroUsd =
    maxCostMicroUsd({ ...card, maxOutputTokens: maxTokens }, tokens) + guardedMicroUsd(maxTokens * charsOfToken);
  const endsAtMs = performance.now() + timeoutMs;
  const send = (abortSignal: AbortSignal) => client.send(command, { abortSignal });
  return guard.run(
    async () => {
      await asked.allow(attempts.read * promptMicroUsd + maxMicroUsd);
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
