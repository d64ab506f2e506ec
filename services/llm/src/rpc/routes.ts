import type { ConnectRouter } from '@connectrpc/connect';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { ConversationDeps, Deps, SettingsDeps } from '../ports.ts';
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
export function storeRoutes(settings: SettingsDeps, conversations: ConversationDeps) {
  return (router: ConnectRouter): void => {
    router.service(AnswerSettingsService, {
      getAnswerSettings: getAnswerSettings(settings),
      updateAnswerSettings: updateAnswerSettings(settings),
      listModels: listModels(settings),
      getUsage: getUsage(settings),
    });
    router.service(ConversationService, {
      createConversation: createConversation(conversations),
      listConversations: listConversations(conversations),
      getConversation: getConversation(conversations),
      deleteConversation: deleteConversation(conversations),
    });
  };
}
