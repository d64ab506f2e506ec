/** How much of a conversation a model is given. */
import type { ConversationTurn } from '../ports.ts';
import { estimateTokens } from './token-estimate.ts';

/** Bounds of what is read of a conversation for its next question. */
export interface HistoryWindow {
  readonly maxTurns: number;
  readonly maxTokens: number;
}

/**
 * The newest turns that fit, oldest first. A turn is given whole or not at all, and none that is older than one that does not
 * fit: a conversation with a hole in it misleads.
 */
export function recentTurns(newestFirst: readonly ConversationTurn[], window: HistoryWindow): ConversationTurn[] {
  const chosen: ConversationTurn[] = [];
  let tokens = 0;
  for (const turn of newestFirst.slice(0, window.maxTurns)) {
    tokens += estimateTokens(turn.question) + estimateTokens(turn.answer);
    if (tokens > window.maxTokens) break;
    chosen.unshift(turn);
  }
  return chosen;
}
