import type { HandlerContext } from '@connectrpc/connect';
import { callContext, pageTokensOf, tenantOf } from '@wardstone/rpc';
import type { ListConversationsRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { z } from 'zod';
import { findConversations } from '../db/conversations.ts';
import { ownerOf } from '../domain/owner.ts';
import { usedSince } from '../domain/retention.ts';
import type { ConversationDeps } from '../ports.ts';
import { conversationToWire } from './conversation-wire.ts';

const defaultPageSize = 50;

/** `before`: last id of the page before. */
const positionShape = z.strictObject({ before: z.uuid() });

/** The caller's own conversations, newest first. */
export function listConversations(deps: ConversationDeps) {
  return async ({ pageSize: asked, pageToken }: ListConversationsRequest, context: HandlerContext) => {
    const { database, auditor, retention } = deps;
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const by = { owner: ownerOf(call.principal), usedSince: usedSince(retention) };
    const tokens = pageTokensOf(`${tenantId} ${by.owner}`, positionShape);
    const before = tokens.decode(pageToken)?.before;
    const pageSize = asked || defaultPageSize;

    const found = await database.inTenant(tenantId, (tx) => findConversations(tx, by, { before, limit: pageSize + 1 }));
    const page = found.slice(0, pageSize);
    const last = page.at(-1);
    await auditor.record(call, {
      action: 'conversation.list',
      resourceType: 'conversation',
      resourceIds: page.map(({ conversationId }) => conversationId),
      outcome: 'success',
    });
    const hasMore = found.length > pageSize && last !== undefined;
    return {
      conversations: await Promise.all(page.map((row) => conversationToWire(deps, row))),
      nextPageToken: hasMore ? tokens.encode({ before: last.conversationId }) : '',
    };
  };
}
