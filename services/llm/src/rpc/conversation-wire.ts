/** Conversations on the wire: opened and converted once, on the way out. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  ConversationSchema,
  TurnSchema,
  type Conversation,
  type Turn,
} from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { openAnswer, openConversationTitle, openTurnField } from '../adapters/history-seals.ts';
import type { ConversationRow, TurnRow } from '../db/entities.ts';
import type { ConversationDeps } from '../ports.ts';

type SealDeps = Pick<ConversationDeps, 'keys'>;

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export async function conversationToWire({ keys }: SealDeps, row: ConversationRow): Promise<Conversation> {
  const { conversationId, turnCount, createdAt, updatedAt } = row;
  return create(ConversationSchema, {
    conversationId,
    title: await openConversationTitle(keys, row, row.titleSealed),
    turnCount,
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  });
}

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export async function turnToWire({ keys }: SealDeps, row: TurnRow): Promise<Turn> {
  const { number, outcome, modelId, createdAt } = row;
  const [question, standaloneQuestion, { answer, citations }] = await Promise.all([
    openTurnField(keys, row, 'question', row.questionSealed),
    openTurnField(keys, row, 'standalone_question', row.standaloneQuestionSealed),
    openAnswer(keys, row, row.answerSealed),
  ]);
  return create(TurnSchema, {
    turn: number,
    question,
    standaloneQuestion,
    answer,
    citations: [...citations],
    outcome,
    modelId,
    createdAt: timestampFromDate(createdAt),
  });
}
