import type { ChatChunk } from '../schemas/chat-completion.ts';
import { toOpenAiError } from '../problem.ts';
import type { Problem } from '../schemas/problem.ts';
import type { CollectedAnswer } from './collect-answer.ts';

/** What a completion and all of its chunks have in common. */
export interface Asked {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** As the request named it. */
  readonly model: string;
}

/** An answer as a chat completion. */
export function toCompletion(asked: Asked, collected: CollectedAnswer) {
  const { answer: content, ...wardstone } = collected;
  const message = { role: 'assistant', content, refusal: null };
  const choice = { index: 0, message, logprobs: null, finish_reason: finishReason(collected) };
  return { ...asked, object: 'chat.completion', choices: [choice], usage: toTokens(collected), wardstone };
}

/** A piece of a chat completion that goes on. */
export function toChunk(asked: Asked, delta: { readonly role?: 'assistant'; readonly content: string }): ChatChunk {
  return { ...asked, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: null }] };
}

/** The last piece of a chat completion, and what was used when that was asked for. */
export function toLastChunks(asked: Asked, collected: CollectedAnswer, withUsage: boolean) {
  const { answer: _answer, ...wardstone } = collected;
  const chunk = { ...asked, object: 'chat.completion.chunk' };
  const last = { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: finishReason(collected) }], wardstone };
  return withUsage ? [last, { ...chunk, choices: [], usage: toTokens(collected) }] : [last];
}

/** How a stream tells that it broke off. */
export function toFailure(problem: Problem): ChatChunk {
  return { error: { ...problem, ...toOpenAiError(problem) } };
}

function finishReason({ outcome, truncated }: CollectedAnswer): 'stop' | 'length' | 'content_filter' {
  if (outcome === 'BLOCKED') return 'content_filter';
  return truncated ? 'length' : 'stop';
}

// OpenAI counts what came from the cache among what was read; we tell it apart.
function toTokens({ usage }: CollectedAnswer) {
  const read = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
  return {
    prompt_tokens: read,
    completion_tokens: usage.outputTokens,
    total_tokens: read + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cacheReadTokens },
  };
}
