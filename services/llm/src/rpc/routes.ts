import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import { callContext, createSlots, type Slots, tenantOf, tenantShare } from '@wardstone/rpc';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { ConversationDeps, Deps, Limits, SettingsDeps } from '../ports.ts';
import { answer } from './answer.ts';
import { createConversation } from './create-conversation.ts';
import { deleteConversation } from './delete-conversation.ts';
import { getAnswerSettings } from './get-answer-settings.ts';
import { getConversation } from './get-conversation.ts';
import { getUsage } from './get-usage.ts';
import { listConversations } from './list-conversations.ts';
import { listModels } from './list-models.ts';
import { updateAnswerSettings } from './update-answer-settings.ts';

/** The RPCs that answer. */
export function routes(deps: Deps) {
  return (router: ConnectRouter): void => {
    router.service(LlmService, { answer: answer(deps) });
  };
}

/** The RPCs of what is kept: a tenant's settings and usage, its people's conversations. */
export function storeRoutes(settings: SettingsDeps, conversations: ConversationDeps, limits: Limits) {
  // None of them holds a lock while it waits for another service; but each waits for connections that all tenants share.
  const slots = createSlots(tenantShare(limits.maxAnswers, limits.tenantSlotPercent));
  return (router: ConnectRouter): void => {
    router.service(AnswerSettingsService, {
      getAnswerSettings: holding(slots, getAnswerSettings(settings)),
      updateAnswerSettings: holding(slots, updateAnswerSettings(settings)),
      listModels: listModels(settings),
      getUsage: holding(slots, getUsage(settings)),
    });
    router.service(ConversationService, {
      createConversation: holding(slots, createConversation(conversations)),
      listConversations: holding(slots, listConversations(conversations)),
      getConversation: holding(slots, getConversation(conversations)),
      deleteConversation: holding(slots, deleteConversation(conversations)),
    });
  };
}

/** The handler, holding a slot of its caller's tenant until it ends. Thrown: RATE_LIMITED, TENANT_REQUIRED. */
function holding<Request, Response>(
  slots: Slots,
  handler: (request: Request, context: HandlerContext) => Promise<Response>,
): (request: Request, context: HandlerContext) => Promise<Response> {
  return async (request, context) => {
    const release = slots.take(tenantOf(callContext(context)));
    try {
      return await handler(request, context);
    } finally {
      release();
    }
  };
}
