import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, tenantOf } from '@wardstone/rpc';
import type { DeleteConversationRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { removeConversation } from '../db/conversations.ts';
import { ownerOf } from '../domain/owner.ts';
import { usedSince } from '../domain/retention.ts';
import type { ConversationDeps } from '../ports.ts';

/** Removes a conversation of the caller's with its turns, in one transaction with the audit event. */
export function deleteConversation({ database, auditor, retention }: ConversationDeps) {
  return async (request: DeleteConversationRequest, context: HandlerContext) => {
    const call = callContext(context);
    const conversationId = request.conversationId.toLowerCase();
    const by = { owner: ownerOf(call.principal), usedSince: usedSince(retention) };
    const event = {
      action: 'conversation.delete',
      resourceType: 'conversation',
      resourceIds: [conversationId],
    } as const;
    const removed = await database.inTenant(tenantOf(call), async (tx) => {
      if (!(await removeConversation(tx, conversationId, by))) return false;
      // When nothing but the commit is left, so that the log tells of no deletion that did not happen.
      await auditor.record(call, { ...event, outcome: 'success' });
      return true;
    });
    if (removed) return {};
    await auditor.record(call, { ...event, outcome: 'failure', reason: 'CONVERSATION_NOT_FOUND' });
    throw new AppError('CONVERSATION_NOT_FOUND');
  };
}
