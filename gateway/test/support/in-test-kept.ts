import { clone, create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, decodePageToken, encodePageToken, needs, tenantOf } from '@wardstone/rpc';
import {
  type AnswerSettings,
  AnswerSettingsSchema,
  AnswerSettingsService,
  CitationPolicy,
} from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import {
  type Conversation,
  ConversationSchema,
  ConversationService,
  type Turn,
} from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';

/** What the answering service keeps. Tests change it freely. */
export interface KeptInTest {
  /** By tenant; the defaults where there are none. */
  readonly settings: Map<string, AnswerSettings>;
  readonly conversations: { readonly owner: string; readonly conversation: Conversation; readonly turns: Turn[] }[];
  /** Months that usage was asked of. */
  readonly months: string[];
}

export function createKept(): KeptInTest {
  return { settings: new Map(), conversations: [], months: [] };
}

const offsetShape = z.strictObject({ after: z.string() });
const defaults = { model: 'quality', citationPolicy: CitationPolicy.DROP, etag: '0' };

/** Turns the OpenAI-compatible API on for a tenant. */
export function enableCompletions({ settings }: KeptInTest, tenantId: string): void {
  settings.set(tenantId, create(AnswerSettingsSchema, { ...defaults, completionsEnabled: true }));
}

/** Settings, usage and conversations with the refusals of the real service, in memory. */
export function keptInTest(kept: KeptInTest): (router: ConnectRouter) => void {
  const settingsOf = (context: HandlerContext): AnswerSettings =>
    kept.settings.get(tenantOf(callContext(context))) ?? create(AnswerSettingsSchema, defaults);
  const ofOwner = (context: HandlerContext) => kept.conversations.filter(({ owner }) => owner === ownerOf(context));
  const find = (conversationId: string, context: HandlerContext) => {
    const found = ofOwner(context).find(({ conversation }) => conversation.conversationId === conversationId);
    needs(found, 'CONVERSATION_NOT_FOUND');
    return found;
  };
  return (router) => {
    router.service(AnswerSettingsService, {
      getAnswerSettings: (_request, context) => ({ settings: settingsOf(context) }),
      updateAnswerSettings: ({ settings, etag }, context) => {
        const before = settingsOf(context);
        if (etag !== '' && etag !== before.etag) throw new AppError('SETTINGS_CHANGED');
        needs(settings?.model !== 'not-here', 'MODEL_NOT_ALLOWED');
        const next = settings === undefined ? create(AnswerSettingsSchema) : clone(AnswerSettingsSchema, settings);
        next.etag = String(Number(before.etag) + 1);
        next.updatedAt = timestampFromDate(new Date('2026-11-22T09:00:00Z'));
        kept.settings.set(tenantOf(callContext(context)), next);
        return { settings: next };
      },
      listModels: () => ({
        models: [
          { modelId: 'in-test', aliases: ['quality', 'fast'], contextTokens: 10_000 },
          { modelId: 'us.maker/of:models-1', aliases: [], contextTokens: 10_000 },
        ],
      }),
      getUsage: ({ month }, context) => {
        kept.months.push(month);
        const usage = { answers: 3n, inputTokens: 4_000_000_000n, outputTokens: 2n, costMicroUsd: 12_345_678n };
        const { monthlyBudgetMicroUsd } = settingsOf(context);
        const models = [{ modelId: 'in-test', ...usage }];
        return { month, models, costMicroUsd: 12_345_678n, reservedMicroUsd: 1n, monthlyBudgetMicroUsd };
      },
    });
    router.service(ConversationService, {
      createConversation: ({ title }, context) => {
        const now = timestampFromDate(new Date());
        const fields = { conversationId: uuidv7(), title, createdAt: now, updatedAt: now };
        const conversation = create(ConversationSchema, fields);
        kept.conversations.push({ owner: ownerOf(context), conversation, turns: [] });
        return { conversation };
      },
      listConversations: ({ pageSize, pageToken }, context) => {
        const after = pageToken === '' ? undefined : decodePageToken(pageToken, offsetShape).after;
        const all = ofOwner(context)
          .map(({ conversation }) => conversation)
          .reverse()
          .filter(({ conversationId }) => after === undefined || conversationId < after);
        const conversations = all.slice(0, pageSize === 0 ? 50 : pageSize);
        const last = conversations.at(-1);
        const more = all.length > conversations.length && last !== undefined;
        return { conversations, nextPageToken: more ? encodePageToken({ after: last.conversationId }) : '' };
      },
      getConversation: ({ conversationId }, context) => {
        const { conversation, turns } = find(conversationId, context);
        return { conversation, turns };
      },
      deleteConversation: ({ conversationId }, context) => {
        kept.conversations.splice(kept.conversations.indexOf(find(conversationId, context)), 1);
        return {};
      },
    });
  };
}

function ownerOf(context: HandlerContext): string {
  const { principal } = callContext(context);
  return `${principal.tenantId ?? ''} ${principal.subject}`;
}
