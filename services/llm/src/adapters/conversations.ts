/** The conversation that a question goes on with: opened for the model, and added to when it is answered. */
import { keyVersionOfSealed, type KeyRing } from '@wardstone/crypto';
import { AppError, tenantOf, type CallContext } from '@wardstone/rpc';
import { v7 as uuidv7 } from 'uuid';
import { addTurn, findConversation, findUnblockedTurns } from '../db/conversations.ts';
import type { ConversationRow, TurnRow } from '../db/entities.ts';
import { titleFrom } from '../domain/conversation-title.ts';
import { recentTurns } from '../domain/history-window.ts';
import { ownerOf } from '../domain/owner.ts';
import { usedSince } from '../domain/retention.ts';
import type { ConversationDeps, Conversations, ConversationTurn, NewTurn } from '../ports.ts';
import {
  openAnswer,
  openConversationTitle,
  openTurnField,
  sealAnswer,
  sealConversationTitle,
  sealTurnField,
  type TurnKey,
} from './history-seals.ts';

/** Thrown by what it does, beside what the ports say: what the database, the key ring and the audit log throw. */
export function createConversations(deps: ConversationDeps): Conversations {
  return {
    async open(call, conversationId) {
      const id = conversationId.toLowerCase();
      const history = await openHistory(deps, call, id);
      return { id, history, keep: (turn) => keepTurn(deps, call, id, turn) };
    },
    told(turns) {
      return { id: '', history: recentTurns(turns.toReversed(), deps.window), keep: keepNothing };
    },
  };
}

const keepNothing = (): Promise<number> => Promise.resolve(0);

async function openHistory(
  deps: ConversationDeps,
  call: CallContext,
  conversationId: string,
): Promise<readonly ConversationTurn[]> {
  const { database, auditor, retention, window } = deps;
  const by = { owner: ownerOf(call.principal), usedSince: usedSince(retention) };
  const found = await database.inTenant(tenantOf(call), async (tx) => {
    const conversation = await findConversation(tx, conversationId, by);
    return conversation && { conversation, rows: await findUnblockedTurns(tx, conversationId, window.maxTurns) };
  });
  const event = { action: 'conversation.read', resourceType: 'conversation', resourceIds: [conversationId] } as const;
  if (found === undefined) {
    await auditor.record(call, { ...event, outcome: 'failure', reason: 'CONVERSATION_NOT_FOUND' });
    throw new AppError('CONVERSATION_NOT_FOUND');
  }
  const { conversation, rows } = found;
  // Before the model is given any of it.
  await auditor.record(call, { ...event, outcome: 'success', attributes: { turns: String(rows.length) } });
  // It opens for its owner alone.
  await openConversationTitle(deps.keys, conversation, conversation.titleSealed);
  const opened: ConversationTurn[] = [];
  for (const row of rows) {
    const turn = await openTurn(deps, row);
    if (turn === undefined) break;
    opened.push(turn);
  }
  return recentTurns(opened, window);
}

/** A turn as the model is given it; undefined when it does not open: what lies before it is left out then. */
async function openTurn({ keys, metrics, log }: ConversationDeps, row: TurnRow): Promise<ConversationTurn | undefined> {
  try {
    // The standalone question tells the model what was meant, whatever was left out before.
    const question = await openTurnField(keys, row, 'standalone_question', row.standaloneQuestionSealed);
    const { answer } = await openAnswer(keys, row, row.answerSealed);
    return { question, answer };
  } catch (error) {
    if (AppError.from(error).reason !== 'SEALED_VALUE_INVALID') throw error;
    metrics.unreadable('answer');
    const { tenantId, conversationId, turnId } = row;
    log.error({ tenantId, conversationId, turnId }, 'a turn could not be opened');
    return undefined;
  }
}

/**
 * Everything is sealed before the conversation is locked: no key is waited for with a lock. The number of the turn; 0 when the
 * conversation was deleted while its question was answered.
 */
async function keepTurn(
  deps: ConversationDeps,
  call: CallContext,
  conversationId: string,
  turn: NewTurn,
): Promise<number> {
  const { database, retention } = deps;
  const tenantId = tenantOf(call);
  const by = { owner: ownerOf(call.principal), usedSince: undefined };
  const before = await database.inTenant(tenantId, (tx) => findConversation(tx, conversationId, by));
  if (before === undefined) return 0;
  const key = { tenantId, conversationId, turnId: uuidv7() };
  const sealed = await sealTurn(deps.keys, key, turn);
  const titled = await titleOfFirst(deps, before, turn.question);
  return database.inTenant(tenantId, async (tx) => {
    const found = await findConversation(tx, conversationId, by, 'locked');
    if (found === undefined) return 0;
    const number = found.turnCount + 1;
    const { modelId, outcome } = turn;
    await addTurn(tx, { ...key, ...sealed, number, modelId, outcome }, titled, retention.maxTurns);
    return number;
  });
}

async function sealTurn(keys: KeyRing, key: TurnKey, turn: NewTurn) {
  const questionSealed = await sealTurnField(keys, key, 'question', turn.question);
  const standaloneQuestionSealed = await sealTurnField(keys, key, 'standalone_question', turn.standaloneQuestion);
  const answerSealed = await sealAnswer(keys, key, turn.answer, turn.citations);
  const versions = [questionSealed, standaloneQuestionSealed, answerSealed].map(keyVersionOfSealed);
  return { questionSealed, standaloneQuestionSealed, answerSealed, keyVersion: Math.min(...versions) };
}

/** The title that a conversation without one gets with its first turn. */
async function titleOfFirst({ keys }: ConversationDeps, conversation: ConversationRow, question: string) {
  if (conversation.turnCount > 0) return {};
  const title = await openConversationTitle(keys, conversation, conversation.titleSealed);
  if (title !== '') return {};
  const titleSealed = await sealConversationTitle(keys, conversation, titleFrom(question));
  return { titleSealed, keyVersion: keyVersionOfSealed(titleSealed) };
}
