/** Sealing a tenant's conversations again, under the current version of its history key: one bounded step. */
import { ifReadable, keyVersionOfSealed, type SealedText } from '@wardstone/crypto';
import { nilUuid } from '@wardstone/db';
import { AppError } from '@wardstone/rpc';
import type { Resealing, WorkStep } from '@wardstone/tenancy';
import {
  openConversationTitle,
  openTurnField,
  sealConversationTitle,
  sealTurnField,
  type TurnField,
} from '../adapters/history-seals.ts';
import type { ConversationRow, TurnRow } from '../db/entities.ts';
import {
  conversationsToReseal,
  countToReseal,
  replaceTitle,
  replaceTurn,
  titleToReseal,
  turnsToReseal,
} from '../db/resealing.ts';
import type { Unreadable } from '../metrics.ts';
import type { ConversationDeps } from '../ports.ts';

type ResealDeps = Pick<ConversationDeps, 'database' | 'keys' | 'metrics' | 'log'>;

const maxConversationsPerStep = 50;
/** Turns in memory at a time. */
const pageTurns = 20;

/**
 * Seals titles and turns again; a conversation is what the work counts as a document. Every value is replaced only in place of
 * the one that was read: two processes, a deletion or a kill between two instructions lose nothing, and what was done is found
 * done. A value that opens under no key stays as it is and counts as done. Thrown: KEY_UNAVAILABLE and other transient
 * reasons, with what was done until then done.
 */
export function resealStep(deps: ResealDeps) {
  return async ({ tenantId, keyVersion }: Resealing, signal: AbortSignal): Promise<WorkStep> => {
    const { inTenant } = deps.database;
    const page = { after: nilUuid, limit: maxConversationsPerStep };
    const conversations = await inTenant(tenantId, (tx) => conversationsToReseal(tx, keyVersion, page));
    for (const conversationId of conversations) {
      await resealConversation(deps, { tenantId, conversationId }, keyVersion, signal);
    }
    const documentsLeft = await inTenant(tenantId, (tx) => countToReseal(tx, keyVersion));
    return { documentsDone: conversations.length, documentsLeft };
  };
}

async function resealConversation(
  deps: ResealDeps,
  { tenantId, conversationId }: Pick<ConversationRow, 'tenantId' | 'conversationId'>,
  below: number,
  signal: AbortSignal,
): Promise<void> {
  const { inTenant } = deps.database;
  const conversation = await inTenant(tenantId, (tx) => titleToReseal(tx, conversationId, below));
  if (conversation !== undefined) await resealTitle(deps, conversation, below);
  for (;;) {
    if (signal.aborted) throw new AppError('CANCELLED');
    const turns = await inTenant(tenantId, (tx) => turnsToReseal(tx, conversationId, below, pageTurns));
    for (const turn of turns) await resealTurn(deps, turn, below);
    if (turns.length < pageTurns) return;
  }
}

async function resealTitle(deps: ResealDeps, row: ConversationRow, below: number): Promise<void> {
  const { tenantId } = row;
  const titleSealed = await orUnreadable(deps, row, 'title', async () =>
    sealConversationTitle(deps.keys, row, await openConversationTitle(deps.keys, row, row.titleSealed)),
  );
  const keyVersion = reached(deps, tenantId, [titleSealed], below);
  const replacement = titleSealed === undefined ? { keyVersion } : { titleSealed, keyVersion };
  await deps.database.inTenant(tenantId, (tx) => replaceTitle(tx, row, replacement));
}

const sealedFields = [
  ['question', 'questionSealed'],
  ['standalone_question', 'standaloneQuestionSealed'],
  ['answer', 'answerSealed'],
] as const satisfies readonly (readonly [TurnField, keyof TurnRow])[];

async function resealTurn(deps: ResealDeps, row: TurnRow, below: number): Promise<void> {
  const { keys } = deps;
  const sealed: { [Column in (typeof sealedFields)[number][1]]?: SealedText } = {};
  for (const [field, column] of sealedFields) {
    const after = await orUnreadable(deps, row, field, async () =>
      sealTurnField(keys, row, field, await openTurnField(keys, row, field, row[column])),
    );
    if (after !== undefined) sealed[column] = after;
  }
  const keyVersion = reached(deps, row.tenantId, Object.values(sealed), below);
  await deps.database.inTenant(row.tenantId, (tx) => replaceTurn(tx, row, { ...sealed, keyVersion }));
}

/**
 * The version that a row has reached. A process that has not heard of the new version seals under an old one; it asks before
 * the step is done again.
 */
function reached(
  { keys }: Pick<ResealDeps, 'keys'>,
  tenantId: string,
  sealed: readonly (SealedText | undefined)[],
  below: number,
): number {
  const versions = sealed.filter((value) => value !== undefined).map(keyVersionOfSealed);
  const lowest = Math.min(...versions);
  if (versions.length === 0) return below;
  if (lowest >= below) return lowest;
  keys.refresh(tenantId);
  throw new AppError('KEY_UNAVAILABLE');
}

/** Undefined when a value opens under no key, which is reported; other faults are thrown. */
async function orUnreadable<T>(
  { metrics, log }: Pick<ResealDeps, 'metrics' | 'log'>,
  { tenantId, conversationId }: Pick<ConversationRow, 'tenantId' | 'conversationId'>,
  field: Unreadable,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const value = await ifReadable(work());
  if (value === undefined) {
    metrics.unreadable(field);
    log.error(
      { tenantId, conversationId, field },
      'opens under no key: it stays as it is, and no rotation waits for it',
    );
  }
  return value;
}
