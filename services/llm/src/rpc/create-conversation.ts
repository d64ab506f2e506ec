import type { HandlerContext } from '@connectrpc/connect';
import { keyVersionOfSealed } from '@wardstone/crypto';
import { callContext, tenantOf } from '@wardstone/rpc';
import type { CreateConversationRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { v7 as uuidv7 } from 'uuid';
import { sealConversationTitle } from '../adapters/history-seals.ts';
import { insertConversation, removeLongestUnused } from '../db/conversations.ts';
import { ownerOf } from '../domain/owner.ts';
import type { ConversationDeps } from '../ports.ts';
import { conversationToWire } from './conversation-wire.ts';

/** Begins a conversation of the caller's, and removes what is beyond the bound: those used longest ago. */
export function createConversation(deps: ConversationDeps) {
  return async ({ title }: CreateConversationRequest, context: HandlerContext) => {
    const { database, keys, auditor, retention } = deps;
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const owner = ownerOf(call.principal);
    const key = { tenantId, conversationId: uuidv7(), owner };
    const titleSealed = await sealConversationTitle(keys, key, title);
    const keyVersion = keyVersionOfSealed(titleSealed);
    const row = await database.inTenant(tenantId, async (tx) => {
      const inserted = await insertConversation(tx, { ...key, titleSealed, keyVersion });
      const removed = await removeLongestUnused(tx, owner, retention.maxConversations);
      const resource = { resourceType: 'conversation', outcome: 'success' } as const;
      // When nothing but the commit is left, so that the log tells of nothing that did not happen.
      await auditor.recordAll(call, [
        { action: 'conversation.create', resourceIds: [key.conversationId], ...resource },
        ...(removed.length === 0
          ? []
          : [
              {
                action: 'conversation.delete' as const,
                resourceIds: removed,
                ...resource,
                attributes: { cause: 'bound' },
              },
            ]),
      ]);
      return inserted;
    });
    return { conversation: await conversationToWire(deps, row) };
  };
}
