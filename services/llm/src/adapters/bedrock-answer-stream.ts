/** One answer of one model as a stream: its text, what it used, and how it ended. */
import type { ConverseStreamCommandInput, ConverseStreamOutput, TokenUsage } from '@aws-sdk/client-bedrock-runtime';
import { openConverseStream } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import { maxCostMicroUsd, type UsedTokens, usageOf } from '../domain/model-cards.ts';
import { estimateTokens } from '../domain/token-estimate.ts';
import type { ModelMetrics } from '../model-metrics.ts';
import type { Allow, ModelOutcome, ModelUsage } from '../ports.ts';
import { createAttempts, labelsOf, type Attempts, type ModelRoute } from './bedrock-route.ts';

/** How a model ended, as far as it says so itself. */
export type StreamEnd = Extract<ModelOutcome, 'answered' | 'blocked' | 'cut'>;

export type StreamPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'usage'; readonly usage: ModelUsage }
  | { readonly kind: 'end'; readonly outcome: StreamEnd };

/** How long an answer may take. Each is a bound of its own; the signal is another. */
export interface StreamLimits {
  readonly firstTokenTimeoutMs: number;
  /** Longest silence after the first event. */
  readonly stallTimeoutMs: number;
}

export interface StreamAsked {
  readonly request: ConverseStreamCommandInput;
  /** What the prompt comes to, for an answer that breaks off before Bedrock has said it. */
  readonly promptTokens: number;
  readonly limits: StreamLimits;
  readonly metrics: ModelMetrics;
  /** Fires at the latest when `timeoutMs` are over, with the reason: whose time it was, is not known here. */
  readonly signal: AbortSignal;
  /** Of all attempts to begin it: no pause goes beyond it. */
  readonly timeoutMs: number;
  /** Asked before each attempt. */
  readonly allow: Allow;
  /** What guardrails may cost at most with the answer and after it. */
  readonly guardrailMicroUsd: number;
  /** What the guardrail in the stream is billed for: Bedrock does not tell without its trace. */
  readonly guarded: ((attempts: number, writtenChars: number) => ModelUsage) | undefined;
}

/**
 * Begins the answer, again where that may help, and reads it once it has begun. Blocks of reasoning and of whatever else a
 * model may put beside its text are skipped: text is told by its type, not by its place. What an answer used that breaks off
 * after its beginning is estimated, upwards, and told before the error; so is the prompt of each attempt that was left or took too
 * long before it began, for Bedrock has read it by then.
 * Thrown: AppErrors, those of `openConverseStream`, of the guard and of `allow`.
 */
export async function* readAnswerStream(route: ModelRoute, asked: StreamAsked): AsyncGenerator<StreamPart> {
  const { card, guard } = route;
  const attempts = createAttempts(asked.signal);
  let [begun, writtenTokens, writtenChars] = [false, 0, 0];
  let usage: ModelUsage | undefined;
  let failure: AppError | undefined;
  try {
    const events = await begin(route, asked, attempts);
    begun = true;
    for await (const event of events) {
      writtenTokens += estimateTokens(writtenIn(event));
      const text = event.contentBlockDelta?.delta?.text ?? '';
      writtenChars += text.length;
      if (text !== '') yield { kind: 'text', text };
      if (event.messageStop) yield { kind: 'end', outcome: endOf(event.messageStop.stopReason) };
      if (event.metadata?.usage) {
        usage = usageOf(card, tokensOf(event.metadata.usage));
        yield { kind: 'usage', usage };
      }
    }
  } catch (error) {
    failure = AppError.from(error);
    // One that was ended from here says nothing about the model.
    if (begun && !asked.signal.aborted) guard.failed(failure);
  }
  asked.metrics.called(labelsOf(route), 'answer', failure?.reason ?? 'ok');
  const untold = attempts.read + (begun && usage === undefined ? 1 : 0);
  if (untold > 0) {
    const estimate = {
      inputTokens: untold * asked.promptTokens,
      outputTokens: usage === undefined ? writtenTokens : 0,
    };
    yield { kind: 'usage', usage: usageOf(card, { ...estimate, cacheReadTokens: 0, cacheWriteTokens: 0 }) };
  }
  const checked = attempts.read + (begun ? 1 : 0);
  if (asked.guarded && checked > 0) yield { kind: 'usage', usage: asked.guarded(checked, writtenChars) };
  if (failure !== undefined) throw failure;
}

/** The events of an answer whose first one is there. */
function begin({ client, guard, ...route }: ModelRoute, asked: StreamAsked, attempts: Attempts) {
  const { request, limits, metrics, signal, timeoutMs, promptTokens, allow, guarded, guardrailMicroUsd } = asked;
  const promptMicroUsd =
    maxCostMicroUsd({ ...route.card, maxOutputTokens: 0 }, promptTokens) + (guarded?.(1, 0).costMicroUsd ?? 0);
  const maxMicroUsd = maxCostMicroUsd(route.card, promptTokens) + guardrailMicroUsd;
  return guard.run(
    async () => {
      await allow(attempts.read * promptMicroUsd + maxMicroUsd);
      const askedAtMs = performance.now();
      const events = await attempts.make(() =>
        openConverseStream(client, request, {
          signal,
          firstEventTimeoutMs: limits.firstTokenTimeoutMs,
          idleTimeoutMs: limits.stallTimeoutMs,
        }),
      );
      metrics.began(labelsOf(route), (performance.now() - askedAtMs) / 1_000);
      return events;
    },
    { signal, timeoutMs },
  );
}

const ends: Readonly<Partial<Record<string, StreamEnd>>> = {
  end_turn: 'answered',
  stop_sequence: 'answered',
  guardrail_intervened: 'blocked',
  content_filtered: 'blocked',
  refusal: 'blocked',
};

/** A reason that is not known may have cut the answer: max_tokens, model_context_window_exceeded, and what is yet to come. */
function endOf(stopReason: string | undefined): StreamEnd {
  return ends[stopReason ?? ''] ?? 'cut';
}

/** What Bedrock counted. Its input is without what the cache was read or written for. */
export function tokensOf(counted: TokenUsage): UsedTokens {
  return {
    inputTokens: counted.inputTokens ?? 0,
    outputTokens: counted.outputTokens ?? 0,
    cacheReadTokens: counted.cacheReadInputTokens ?? 0,
    cacheWriteTokens: counted.cacheWriteInputTokens ?? 0,
  };
}

/** What the model wrote, shown or not: all of it is paid for. */
function writtenIn({ contentBlockDelta }: ConverseStreamOutput): string {
  const delta = contentBlockDelta?.delta;
  return delta?.text ?? delta?.reasoningContent?.text ?? delta?.toolUse?.input ?? '';
}
