import { sealedColumn, type SealedText } from '@wardstone/crypto';
import { EntitySchema } from 'typeorm';
import type { AnswerOutcome as WireOutcome } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { CitationPolicy } from '../ports.ts';

/** bigint arrives as text; money, counts and revisions stay far below 2^53. */
const numberFromBigint = {
  from: (value: string | null) => (value === null ? null : Number(value)),
  to: (value: number | null) => value,
};

/** Row of `llm.answer_settings`. */
export interface AnswerSettingsRow {
  tenantId: string;
  model: string;
  citationPolicy: CitationPolicy;
  completionsEnabled: boolean;
  /** Null: without a bound. */
  monthlyBudgetMicroUsd: number | null;
  rerank: boolean;
  /** Null, as its version, without a guardrail. */
  guardrailId: string | null;
  guardrailVersion: string | null;
  revision: number;
  updatedAt: Date;
}

export const answerSettingsEntity = new EntitySchema<AnswerSettingsRow>({
  name: 'answer_settings',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    model: { type: 'text' },
    citationPolicy: { name: 'citation_policy', type: 'text' },
    completionsEnabled: { name: 'completions_enabled', type: 'boolean' },
    monthlyBudgetMicroUsd: {
      name: 'monthly_budget_micro_usd',
      type: 'bigint',
      nullable: true,
      transformer: numberFromBigint,
    },
    rerank: { type: 'boolean' },
    guardrailId: { name: 'guardrail_id', type: 'text', nullable: true },
    guardrailVersion: { name: 'guardrail_version', type: 'text', nullable: true },
    revision: { type: 'bigint', transformer: numberFromBigint },
    updatedAt: { name: 'updated_at', type: 'timestamptz' },
  },
});

/** Row of `llm.model_usage`: what one model was used for in a calendar month (UTC). */
export interface ModelUsageRow {
  tenantId: string;
  /** YYYY-MM. */
  month: string;
  modelId: string;
  answers: number;
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  costMicroUsd: number;
}

export const modelUsageEntity = new EntitySchema<ModelUsageRow>({
  name: 'model_usage',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    month: { type: 'text', primary: true },
    modelId: { name: 'model_id', type: 'text', primary: true },
    answers: { type: 'bigint', transformer: numberFromBigint },
    inputTokens: { name: 'input_tokens', type: 'bigint', transformer: numberFromBigint },
    outputTokens: { name: 'output_tokens', type: 'bigint', transformer: numberFromBigint },
    cacheReadTokens: { name: 'cache_read_tokens', type: 'bigint', transformer: numberFromBigint },
    cacheWriteTokens: { name: 'cache_write_tokens', type: 'bigint', transformer: numberFromBigint },
    costMicroUsd: { name: 'cost_micro_usd', type: 'bigint', transformer: numberFromBigint },
  },
});

/** Row of `llm.conversation`. */
export interface ConversationRow {
  tenantId: string;
  conversationId: string;
  /** Kind and subject of who began it, as `ownerOf` writes them. */
  owner: string;
  /** Sealed under the tenant's history key, in the field `conversation_title`; of an empty text until it has one. */
  titleSealed: SealedText;
  /** Turns it has had; the number of the last one. */
  turnCount: number;
  /** Version of the key that the title is sealed under. */
  keyVersion: number;
  createdAt: Date;
  /** When it was used last. */
  updatedAt: Date;
}

export const conversationEntity = new EntitySchema<ConversationRow>({
  name: 'conversation',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    conversationId: { name: 'conversation_id', type: 'uuid', primary: true },
    owner: { type: 'text' },
    titleSealed: sealedColumn({ name: 'title_sealed', field: 'conversation_title' }),
    turnCount: { name: 'turn_count', type: 'int' },
    keyVersion: { name: 'key_version', type: 'int' },
    createdAt: { name: 'created_at', type: 'timestamptz' },
    updatedAt: { name: 'updated_at', type: 'timestamptz' },
  },
});

/** Row of `llm.turn`: a question of a conversation with its answer. Each sealed value opens in its field of this turn alone. */
export interface TurnRow {
  tenantId: string;
  turnId: string;
  conversationId: string;
  /** Place in the conversation, from 1; never given twice. */
  number: number;
  questionSealed: SealedText;
  standaloneQuestionSealed: SealedText;
  /** Answer and citations, sealed as one JSON value. */
  answerSealed: SealedText;
  modelId: string;
  /** How it ended, by the number that the wire has for it. */
  outcome: WireOutcome;
  /** The lowest version of the key that any of the three is sealed under. */
  keyVersion: number;
  createdAt: Date;
}

export const turnEntity = new EntitySchema<TurnRow>({
  name: 'turn',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    turnId: { name: 'turn_id', type: 'uuid', primary: true },
    conversationId: { name: 'conversation_id', type: 'uuid' },
    number: { type: 'int' },
    questionSealed: sealedColumn({ name: 'question_sealed', field: 'question' }),
    standaloneQuestionSealed: sealedColumn({ name: 'standalone_question_sealed', field: 'standalone_question' }),
    answerSealed: sealedColumn({ name: 'answer_sealed', field: 'answer' }),
    modelId: { name: 'model_id', type: 'text' },
    outcome: { type: 'smallint' },
    keyVersion: { name: 'key_version', type: 'int' },
    createdAt: { name: 'created_at', type: 'timestamptz' },
  },
});

/** Every entity of the schema `llm`. */
export const entities = [answerSettingsEntity, modelUsageEntity, conversationEntity, turnEntity];
