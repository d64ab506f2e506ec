import { recordThen } from '@wardstone/access';
import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, tenantOf } from '@wardstone/rpc';
import type { DeleteConversationRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { findConversation, removeConversations } from '../db/conversations.ts';
import { ownerOf } from '../domain/owner.ts';
import { usedSince } from '../domain/retention.ts';
import type { ConversationDeps } from '../ports.ts';

/** Removes a conversation of the caller's with its turns, once that is recorded. */
export function deleteConversation(deps: ConversationDeps) {
  const { database, auditor, retention } = deps;
  return async (request: DeleteConversationRequest, context: HandlerContext) => {
    const call = callContext(context);
    const conversationId = request.conversationId.toLowerCase();
    const by = { owner: ownerOf(call.principal), usedSince: usedSince(retention) };
    const event = {
      action: 'conversation.delete',
      resourceType: 'conversation',
      resourceIds: [conversationId],
    } as const;
    const tenantId = tenantOf(call);
    const found = await database.inTenant(tenantId, (tx) => findConversation(tx, conversationId, by));
    if (found === undefined) {
      await auditor.record(call, { ...event, outcome: 'failure', reason: 'CONVERSATION_NOT_FOUND' });
      throw new AppError('CONVERSATION_NOT_FOUND');
    }
    // Who finds it gone by now wanted just that.
    await recordThen(deps, call, [event], () =>
      database.inTenant(tenantId, (tx) => removeConversations(tx, [conversationId])),
    );
    return {};
  };
}
