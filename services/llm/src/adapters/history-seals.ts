/** Sealing of what is kept of a conversation, under the tenant's history key. */
import { createHash } from 'node:crypto';
import { create, fromJson, toJson, type MessageInitShape } from '@bufbuild/protobuf';
import { open, seal, type KeyRing, type SealedText } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';
import { CitationSchema, type Citation } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { z } from 'zod';
import type { ConversationRow, TurnRow } from '../db/entities.ts';

export type ConversationKey = Pick<ConversationRow, 'tenantId' | 'conversationId' | 'owner'>;
export type TurnKey = Pick<TurnRow, 'tenantId' | 'conversationId' | 'turnId'>;

/** Fields of a turn that are sealed, as their seals name them. */
export type TurnField = 'question' | 'standalone_question' | 'answer';

/** An answer as it is kept. PHI. */
export interface StoredAnswer {
  readonly answer: string;
  readonly citations: readonly Citation[];
}

const storedShape = z.strictObject({ answer: z.string(), citations: z.array(z.json()) });

export function sealConversationTitle(keys: KeyRing, key: ConversationKey, title: string): Promise<SealedText> {
  return seal(keys, 'history', titleContext(key), title);
}

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export function openConversationTitle(keys: KeyRing, key: ConversationKey, sealed: string): Promise<string> {
  return open(keys, 'history', titleContext(key), sealed);
}

/** Seals one field; it opens only in the same field of the same turn of the same conversation. */
export function sealTurnField(keys: KeyRing, key: TurnKey, field: TurnField, value: string): Promise<SealedText> {
  return seal(keys, 'history', turnContext(key, field), value);
}

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export function openTurnField(keys: KeyRing, key: TurnKey, field: TurnField, sealed: string): Promise<string> {
  return open(keys, 'history', turnContext(key, field), sealed);
}

/** Seals an answer with its citations as one value. */
export function sealAnswer(
  keys: KeyRing,
  key: TurnKey,
  answer: string,
  citations: readonly MessageInitShape<typeof CitationSchema>[],
): Promise<SealedText> {
  const json = { answer, citations: citations.map((one) => toJson(CitationSchema, create(CitationSchema, one))) };
  return sealTurnField(keys, key, 'answer', JSON.stringify(json));
}

/** Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export async function openAnswer(keys: KeyRing, key: TurnKey, sealed: string): Promise<StoredAnswer> {
  const text = await openTurnField(keys, key, 'answer', sealed);
  try {
    const { answer, citations } = storedShape.parse(JSON.parse(text));
    // A citation of a later version may say more than this one knows: during an update both run.
    return {
      answer,
      citations: citations.map((json) => fromJson(CitationSchema, json, { ignoreUnknownFields: true })),
    };
  } catch {
    // What is wrong with it is not told: it would be told in its words.
    throw new AppError('SEALED_VALUE_INVALID');
  }
}

/** Bound to the owner too: a row that somebody else was written into does not open. Every reader opens the title first. */
function titleContext({ tenantId, conversationId, owner }: ConversationKey) {
  return { tenantId, resource: digestOf(conversationId, owner), field: 'conversation_title' };
}

function turnContext({ tenantId, conversationId, turnId }: TurnKey, field: TurnField) {
  return { tenantId, resource: digestOf(conversationId, turnId), field };
}

/** A seal's header is in clear: it names a row by what nobody reads anything from. */
function digestOf(...parts: readonly [string, string]): string {
  return createHash('sha256').update(parts.join('/')).digest('hex');
}
