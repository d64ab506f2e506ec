import { AppError } from '@wardstone/rpc';
import type { AnswerInput, AnswerSource, ConversationTurn } from '../ports.ts';
import { estimateTokens } from './token-estimate.ts';

/** What a prompt may be made of. */
export interface ContextBudget {
  /** Tokens that prompt and answer share. */
  readonly contextTokens: number;
  /** Of them, those kept for the answer. */
  readonly maxOutputTokens: number;
  /** Tokens of the prompt's own words. */
  readonly templateTokens: number;
}

/** What of a conversation and of the sources goes into a prompt. */
export interface PromptPlan {
  readonly history: readonly ConversationTurn[];
  readonly sources: readonly AnswerSource[];
  /** What the prompt comes to, its own words included; counted rather too high. */
  readonly promptTokens: number;
}

/** The share of what is free that the conversation may have: sources matter more. */
const historyShare = 0.25;
/** Markers with their code, number, pages and white space around a source or a turn. */
const frameTokens = 120;

/**
 * Takes turns from the latest backwards and sources from the best downwards while there is room. Sources are taken whole or
 * not at all, and none is taken after one that was not: a worse one is no substitute for a better one.
 * Thrown: AppError TEXT_TOO_LARGE when the question leaves no room for the best source.
 */
export function planPrompt(
  budget: ContextBudget,
  { question, history, sources }: Pick<AnswerInput, 'question' | 'history' | 'sources'>,
): PromptPlan {
  const { contextTokens, maxOutputTokens, templateTokens } = budget;
  const fixedTokens = templateTokens + frameTokens + estimateTokens(question);
  const free = contextTokens - maxOutputTokens - fixedTokens;
  const turns = fitting([...history].reverse(), tokensOfTurn, free * historyShare);
  const used = turns.reduce((sum, turn) => sum + tokensOfTurn(turn), 0);
  const best = fitting(sources, tokensOfSource, free - used);
  if (best.length === 0 && sources.length > 0) {
    throw new AppError('TEXT_TOO_LARGE', {
      message: 'The question leaves no room for a source in the model’s context.',
    });
  }
  const read = best.reduce((sum, source) => sum + tokensOfSource(source), 0);
  return { history: turns.reverse(), sources: best, promptTokens: fixedTokens + used + read };
}

/** Tokens of a source with what stands around it. */
export function tokensOfSource({ title, text }: Pick<AnswerSource, 'title' | 'text'>): number {
  return frameTokens + estimateTokens(title) + estimateTokens(text);
}

function tokensOfTurn({ question, answer }: ConversationTurn): number {
  return frameTokens + estimateTokens(question) + estimateTokens(answer);
}

/** As many from the beginning as there is room for. */
function fitting<T>(items: readonly T[], tokensOf: (item: T) => number, room: number): T[] {
  const taken: T[] = [];
  let left = room;
  for (const item of items) {
    left -= tokensOf(item);
    if (left < 0) break;
    taken.push(item);
  }
  return taken;
}
