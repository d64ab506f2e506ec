import { needs } from '@wardstone/rpc';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import type { RouteDeps } from '../deps.ts';
import { type Route, route } from '../route.ts';
import {
  conversationPageSchema,
  conversationParams,
  conversationQuery,
  conversationSchema,
  conversationWithTurnsSchema,
  createConversationSchema,
} from '../schemas/conversation.ts';
import { maxPageTokenChars, page } from '../schemas/page.ts';
import { toConversation, toTurn } from '../wire/conversation.ts';
import { opensTitles } from './documents.ts';
import { closedTenant } from './refusals.ts';
import { maxJsonBytes } from './search.ts';

const opens = [...opensTitles, 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'] as const;

type ConversationRouteDeps = Pick<RouteDeps, 'services' | 'limits'>;

/** Beginning, listing, reading and deleting the caller's own conversations. */
export function conversationRoutes(deps: ConversationRouteDeps): Route[] {
  return [...ofAll(deps), ...ofOne(deps)];
}

function ofAll({ services: { conversations }, limits }: ConversationRouteDeps): Route[] {
  const create = route({
    method: 'POST',
    path: '/v1/conversations',
    access: { rpc: ConversationService.method.createConversation },
    operationId: 'createConversation',
    summary: 'Begin a conversation',
    description: [
      'Name its id in `conversationId` of questions that go on from one another. Beyond the bound of conversations that one',
      'may have, the one used longest ago is removed.',
    ].join(' '),
    tag: 'Conversations',
    body: {
      json: createConversationSchema,
      name: 'CreateConversation',
      maxBytes: maxJsonBytes,
      timeoutMs: limits.bodyTimeoutMs,
    },
    success: {
      status: 201,
      description: 'The conversation as begun.',
      json: conversationSchema,
      name: 'Conversation',
      headers: { Location: 'Where the conversation is.' },
    },
    problems: opens,
    handle: async ({ body: { title = '' }, reply, as }) => {
      const { conversation } = await conversations.createConversation({ title }, as());
      const shown = toConversation(conversation);
      reply.header('Location', `/v1/conversations/${shown.conversationId}`);
      return shown;
    },
  });

  const list = route({
    method: 'GET',
    path: '/v1/conversations',
    access: { rpc: ConversationService.method.listConversations },
    operationId: 'listConversations',
    summary: 'List conversations',
    description: "The caller's own, newest first, without their turns.",
    tag: 'Conversations',
    query: conversationQuery,
    success: {
      status: 200,
      description: 'A page of conversations.',
      json: conversationPageSchema,
      name: 'ConversationPage',
    },
    problems: ['PAGE_TOKEN_INVALID', ...opens],
    handle: async ({ query: { pageSize = 0, pageToken = '' }, as }) => {
      needs(pageToken.length <= maxPageTokenChars, 'PAGE_TOKEN_INVALID');
      const found = await conversations.listConversations({ pageSize, pageToken }, as());
      return page(found.conversations.map(toConversation), found.nextPageToken);
    },
  });

  return [create, list];
}

function ofOne({ services: { conversations } }: ConversationRouteDeps): Route[] {
  const get = route({
    method: 'GET',
    path: '/v1/conversations/{conversationId}',
    access: { rpc: ConversationService.method.getConversation },
    operationId: 'getConversation',
    summary: 'Get a conversation',
    description: "One of the caller's own, with the turns that are kept of it.",
    tag: 'Conversations',
    params: conversationParams,
    notFound: 'CONVERSATION_NOT_FOUND',
    success: {
      status: 200,
      description: 'The conversation with its turns.',
      json: conversationWithTurnsSchema,
      name: 'ConversationWithTurns',
    },
    problems: ['CONVERSATION_NOT_FOUND', ...opens],
    handle: async ({ params: { conversationId }, as }) => {
      const { conversation, turns } = await conversations.getConversation({ conversationId }, as());
      return { ...toConversation(conversation), turns: turns.map(toTurn) };
    },
  });

  const remove = route({
    method: 'DELETE',
    path: '/v1/conversations/{conversationId}',
    access: { rpc: ConversationService.method.deleteConversation },
    operationId: 'deleteConversation',
    summary: 'Delete a conversation',
    description: "One of the caller's own, with all its turns.",
    tag: 'Conversations',
    params: conversationParams,
    notFound: 'CONVERSATION_NOT_FOUND',
    success: { status: 204, description: 'The conversation is gone.' },
    problems: ['CONVERSATION_NOT_FOUND', ...closedTenant, 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ params: { conversationId }, as }) => {
      await conversations.deleteConversation({ conversationId }, as());
    },
  });

  return [get, remove];
}
