/** Follow-up questions put into words that need no conversation, by a quick model. */
import { ConverseCommand, type ConverseCommandOutput } from '@aws-sdk/client-bedrock-runtime';
import { inBedrock } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import { z } from 'zod';
import { usageOf } from '../domain/model-cards.ts';
import { markerCode, type PromptTemplate, renderUser } from '../domain/prompt.ts';
import type { ModelMetrics } from '../model-metrics.ts';
import type { ConversationTurn, ModelUsage } from '../ports.ts';
import { tokensOf } from './bedrock-answer-stream.ts';
import { samplingOf, textOf } from './bedrock-request.ts';
import { labelsOf, type ModelRoute } from './bedrock-route.ts';

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

export interface Rewritten {
  readonly question: string;
  readonly usage?: ModelUsage;
}

/** Room for the question and for a model that thinks before it writes. */
const maxOutputTokens = 2_048;
/** As long as a question may be. */
const maxQuestionChars = 4_000;

/**
 * The question in words that stand alone; the question as it was when the model fails or writes something else, for an answer
 * to it is better than none. Whoever waits for it may leave.
 * Thrown: AppErrors CANCELLED and DEADLINE_EXCEEDED, of the signal.
 */
export async function rewriteQuestion(
  options: RewriteOptions,
  asked: { readonly question: string; readonly history: readonly ConversationTurn[] },
  signal: AbortSignal,
): Promise<Rewritten> {
  const { route, metrics } = options;
  const { question } = asked;
  let answer: ConverseCommandOutput;
  try {
    answer = await converse(options, asked, signal);
    metrics.called(labelsOf(route), 'rewrite', 'ok');
  } catch (error) {
    const failure = AppError.from(error);
    metrics.called(labelsOf(route), 'rewrite', failure.reason);
    if (signal.aborted) throw failure;
    metrics.rewritten('failed');
    return { question };
  }
  const rewritten = questionIn(textIn(answer));
  metrics.rewritten(rewritten === undefined ? 'malformed' : rewritten === question ? 'as-asked' : 'rewritten');
  const usage = answer.usage === undefined ? {} : { usage: usageOf(route.card, tokensOf(answer.usage)) };
  return { question: rewritten ?? question, ...usage };
}

async function converse(
  { route, template, system, drawCode, timeoutMs }: RewriteOptions,
  asked: { readonly question: string; readonly history: readonly ConversationTurn[] },
  signal: AbortSignal,
): Promise<ConverseCommandOutput> {
  const { card, client, guard } = route;
  const data = { ...asked, sources: [] };
  const command = new ConverseCommand({
    modelId: card.id,
    system: [{ text: system }],
    messages: [{ role: 'user', content: [textOf(renderUser(template, data, markerCode(data, drawCode)))] }],
    inferenceConfig: { maxTokens: Math.min(maxOutputTokens, card.maxOutputTokens), ...samplingOf(card) },
  });
  const endsAtMs = performance.now() + timeoutMs;
  const send = (abortSignal: AbortSignal) => client.send(command, { abortSignal });
  return guard.run(() => inBedrock(send, { signal, timeoutMs: Math.max(1, endsAtMs - performance.now()) }), {
    signal,
    timeoutMs,
  });
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
