import { needs } from '@wardstone/rpc';
import type { Conversation, Turn } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { AnswerOutcomeSchema } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { toCitation } from './answer.ts';
import { enumName } from './enums.ts';
import { toInstant } from './timestamp.ts';

/** A conversation as the API shows it. Thrown: INTERNAL when the service answered without one. */
export function toConversation(conversation: Conversation | undefined) {
  needs(conversation, 'INTERNAL');
  const { conversationId, title, turnCount, unreadable, createdAt, updatedAt } = conversation;
  const times = { createdAt: toInstant(createdAt), updatedAt: toInstant(updatedAt) };
  return { conversationId, title, turnCount, unreadable, ...times };
}

/** A turn as the API shows it. */
export function toTurn({ turn, question, standaloneQuestion, answer, modelId, unreadable, ...more }: Turn) {
  const { citations, outcome, createdAt } = more;
  return {
    ...{ turn, question, standaloneQuestion, answer, modelId, unreadable },
    citations: citations.map(toCitation),
    outcome: enumName(AnswerOutcomeSchema, outcome, 'NOT_IN_DOCUMENTS'),
    createdAt: toInstant(createdAt),
  };
}
