import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, tenantOf } from '@wardstone/rpc';
import type { GetConversationRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { findConversation, findTurns } from '../db/conversations.ts';
import type { TurnRow } from '../db/entities.ts';
import { ownerOf } from '../domain/owner.ts';
import { usedSince } from '../domain/retention.ts';
import type { ConversationDeps } from '../ports.ts';
import { conversationToWire, turnToWire } from './conversation-wire.ts';

/** Sealed characters of one answer of this RPC at most: opened, they stay below the 4 MiB that a message may have. */
const maxSealedChars = 3 * 1024 * 1024;

/**
 * A conversation of the caller's with its turns. Somebody else's, another tenant's and one that never was take the same path:
 * nothing is found, and the attempt is recorded.
 */
export function getConversation(deps: ConversationDeps) {
  return async (request: GetConversationRequest, context: HandlerContext) => {
    const { database, auditor, retention } = deps;
    const call = callContext(context);
    const conversationId = request.conversationId.toLowerCase();
    const by = { owner: ownerOf(call.principal), usedSince: usedSince(retention) };
    const found = await database.inTenant(tenantOf(call), async (tx) => {
      const conversation = await findConversation(tx, conversationId, by);
      if (conversation === undefined) return undefined;
      return { conversation, turns: await findTurns(tx, conversationId, retention.maxTurns) };
    });
    const event = { action: 'conversation.read', resourceType: 'conversation', resourceIds: [conversationId] } as const;
    if (found === undefined) {
      await auditor.record(call, { ...event, outcome: 'failure', reason: 'CONVERSATION_NOT_FOUND' });
      throw new AppError('CONVERSATION_NOT_FOUND');
    }
    await auditor.record(call, { ...event, outcome: 'success' });
    const conversation = await conversationToWire(deps, found.conversation);
    // Only its title is bound to its owner: where that does not open, nobody knows whose the turns are.
    const turns = conversation.unreadable ? [] : oldestFirst(found.turns);
    return { conversation, turns: await Promise.all(turns.map((turn) => turnToWire(deps, turn))) };
  };
}

/** As many of the newest turns as fit into a message. */
function oldestFirst(newestFirst: readonly TurnRow[]): TurnRow[] {
  const fitting: TurnRow[] = [];
  let chars = 0;
  for (const turn of newestFirst) {
    const { questionSealed, standaloneQuestionSealed, answerSealed } = turn;
    chars += questionSealed.length + standaloneQuestionSealed.length + answerSealed.length;
    if (chars > maxSealedChars) break;
    fitting.unshift(turn);
  }
  return fitting;
}
