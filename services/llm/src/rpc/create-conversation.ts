import { type Intended, recordThen } from '@wardstone/access';
import type { HandlerContext } from '@connectrpc/connect';
import { keyVersionOfSealed } from '@wardstone/crypto';
import { callContext, tenantOf } from '@wardstone/rpc';
import type { CreateConversationRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { v7 as uuidv7 } from 'uuid';
import { sealConversationTitle } from '../adapters/history-seals.ts';
import { findLongestUnused, insertConversation, removeConversations } from '../db/conversations.ts';
import { ownerOf } from '../domain/owner.ts';
import type { ConversationDeps } from '../ports.ts';
import { conversationToWire } from './conversation-wire.ts';

/** Conversations that go for one that is begun, at most: more than one where the bound was lowered, or several were begun at once. */
const maxRemoved = 200;

/** Begins a conversation of the caller's, and removes what is beyond the bound: those used longest ago. Recorded before. */
export function createConversation(deps: ConversationDeps) {
  return async ({ title }: CreateConversationRequest, context: HandlerContext) => {
    const { database, keys, retention } = deps;
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const owner = ownerOf(call.principal);
    const key = { tenantId, conversationId: uuidv7(), owner };
    const titleSealed = await sealConversationTitle(keys, key, title);
    const keyVersion = keyVersionOfSealed(titleSealed);
    const beyond = await database.inTenant(tenantId, (tx) =>
      findLongestUnused(tx, owner, { keep: retention.maxConversations - 1, limit: maxRemoved }),
    );
    const resourceType = 'conversation';
    const removal = {
      ...({ action: 'conversation.delete', resourceIds: beyond, resourceType } as const),
      attributes: { cause: 'bound' },
    };
    const intended: Intended[] = [
      { action: 'conversation.create', resourceIds: [key.conversationId], resourceType },
      ...(beyond.length === 0 ? [] : [removal]),
    ];
    const row = await recordThen(deps, call, intended, () =>
      database.inTenant(tenantId, async (tx) => {
        await removeConversations(tx, beyond);
        return insertConversation(tx, { ...key, titleSealed, keyVersion });
      }),
    );
    return { conversation: await conversationToWire(deps, row) };
  };
}
