/** Conversations on the wire: opened and converted once, on the way out. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ifReadable } from '@wardstone/crypto';
import {
  ConversationSchema,
  TurnSchema,
  type Conversation,
  type Turn,
} from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { openAnswer, openConversationTitle, openTurnField, type TurnField } from '../adapters/history-seals.ts';
import type { ConversationRow, TurnRow } from '../db/entities.ts';
import type { ConversationDeps } from '../ports.ts';

type SealDeps = Pick<ConversationDeps, 'keys' | 'metrics' | 'log'>;

/** A damaged one is marked: it must not take the others of a list with it. Thrown: KEY_UNAVAILABLE. */
export async function conversationToWire(deps: SealDeps, row: ConversationRow): Promise<Conversation> {
  const { tenantId, conversationId, turnCount, createdAt, updatedAt } = row;
  const title = await ifReadable(openConversationTitle(deps.keys, row, row.titleSealed));
  if (title === undefined) {
    deps.metrics.unreadable('title');
    deps.log.error({ tenantId, conversationId }, 'the title of a conversation could not be opened');
  }
  return create(ConversationSchema, {
    conversationId,
    title: title ?? '',
    unreadable: title === undefined,
    turnCount,
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  });
}

/** A damaged one is marked: it must not take the others with it. Thrown: KEY_UNAVAILABLE. */
export async function turnToWire(deps: SealDeps, row: TurnRow): Promise<Turn> {
  const { number, outcome, modelId, createdAt } = row;
  const known = { turn: number, outcome, modelId, createdAt: timestampFromDate(createdAt) };
  const [question, standaloneQuestion, whole] = await Promise.all([
    ifReadable(openTurnField(deps.keys, row, 'question', row.questionSealed)),
    ifReadable(openTurnField(deps.keys, row, 'standalone_question', row.standaloneQuestionSealed)),
    ifReadable(openAnswer(deps.keys, row, row.answerSealed)),
  ]);
  const damaged = damagedOf({ question, standalone_question: standaloneQuestion, answer: whole });
  if (damaged.length > 0) {
    for (const field of damaged) deps.metrics.unreadable(field);
    const { tenantId, conversationId, turnId } = row;
    deps.log.error({ tenantId, conversationId, turnId, fields: damaged }, 'a turn could not be opened');
    return create(TurnSchema, { ...known, unreadable: true });
  }
  return create(TurnSchema, {
    ...known,
    question: question ?? '',
    standaloneQuestion: standaloneQuestion ?? '',
    answer: whole?.answer ?? '',
    citations: [...(whole?.citations ?? [])],
  });
}

function damagedOf(opened: Readonly<Record<TurnField, unknown>>): TurnField[] {
  return (Object.keys(opened) as TurnField[]).filter((field) => opened[field] === undefined);
}
