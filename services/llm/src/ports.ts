import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Auditor } from '@wardstone/access';
import type { KeyRing } from '@wardstone/crypto';
import type { Database } from '@wardstone/db';
import type { CallContext, ServiceClient } from '@wardstone/rpc';
import type { AnswerOutcome, CitationSchema } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import type { Logger } from '@wardstone/telemetry';
import type { HistoryWindow } from './domain/history-window.ts';
import type { Retention } from './domain/retention.ts';
import type { AnswerMetrics, HistoryMetrics } from './metrics.ts';

/** A page's start within a chunk's text, in UTF-16 code units. */
export interface PageBreak {
  readonly page: number;
  readonly chunkOffset: number;
}

/** A chunk that an answer may be made of. Its text is data of somebody else: it is quoted, never obeyed. */
export interface AnswerSource {
  /** Number by which the answer names it, from 1. */
  readonly number: number;
  readonly chunkId: string;
  readonly documentId: string;
  readonly version: number;
  readonly title: string;
  readonly text: string;
  /** Where the chunk begins in its document's text. */
  readonly charStart: number;
  /** Pages the chunk's text runs over, in order; never empty. */
  readonly pageBreaks: readonly PageBreak[];
  /** Similarity to the question. */
  readonly score: number;
}

/** One question of a conversation with its answer. PHI. */
export interface ConversationTurn {
  readonly question: string;
  readonly answer: string;
}

/** A place that a model says bears a statement out. What it says is a claim until the verifier has found it. */
export interface ModelQuote {
  /** The source's `number`. */
  readonly sourceNumber: number;
  /** The words, as the model gives them. */
  readonly quote: string;
  /** Page of the document, when the model names one. */
  readonly page?: number;
}

/** What a model used for one call. */
export interface ModelUsage {
  readonly modelId: string;
  /** Tokens that were read, without those from the cache. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  /** Whole millionths of a US dollar. */
  readonly costMicroUsd: number;
}

/** How a model ended. blocked: a guardrail stopped it; cut: it ran out of output tokens. */
export type ModelOutcome = 'answered' | 'not-in-documents' | 'blocked' | 'cut';

/**
 * What an answering model tells: statements in order, each whole and without white space around it, usage as often as it is
 * known (a fallback is another call; the handler sums), and `done` last, once.
 */
export type ModelEvent =
  | { readonly kind: 'statement'; readonly text: string; readonly quotes: readonly ModelQuote[] }
  | { readonly kind: 'usage'; readonly usage: ModelUsage }
  | { readonly kind: 'done'; readonly outcome: ModelOutcome };

/** What a model answers from. */
export interface AnswerInput {
  /** The question, which stands alone. */
  readonly question: string;
  /** Turns before it, oldest first; empty without a conversation. */
  readonly history: readonly ConversationTurn[];
  readonly sources: readonly AnswerSource[];
  /** Language to answer in (BCP 47); the question's own when not given. */
  readonly language?: string;
  /** Until when the caller waits, in milliseconds of `performance.now()`; without an end when not given. */
  readonly waitsUntilMs?: number;
  /** The tenant's, beside the installation's. Only given to a model that takes one. */
  readonly guardrail?: Guardrail;
  /** Asked before every call that costs; without it nothing bounds what is spent. */
  readonly allow?: Allow;
}

/**
 * Sets aside what the next call may cost at most, in millionths of a US dollar, beside what was told of as used.
 * Thrown: AppErrors BUDGET_EXCEEDED and DATABASE_UNAVAILABLE; then the call is not made.
 */
export type Allow = (maxMicroUsd: number) => Promise<void>;

/** A question that goes on with a conversation. */
export interface FollowUp {
  readonly question: string;
  /** Turns before it, oldest first; at least one. */
  readonly history: readonly ConversationTurn[];
  /** The tenant's, beside the installation's. */
  readonly guardrail?: Guardrail;
  /** Asked before every call that costs. */
  readonly allow?: Allow;
  /** Told what was used, also by a call that failed or was left. */
  readonly spent: (usage: ModelUsage) => void;
}

/** A guardrail of Amazon Bedrock that questions and answers pass. */
export interface Guardrail {
  readonly id: string;
  readonly version: string;
}

/** A model that answers from sources. Adapters: the embedded extractive one, Claude on Bedrock. One contract suite holds for all. */
export interface AnswerModel {
  readonly id: string;
  /** Version of the prompt that it is given; empty for a model without one. */
  readonly promptVersion: string;
  /** Whether questions and answers pass a guardrail that a tenant sets; otherwise a tenant that has set one is not answered. */
  readonly takesGuardrail: boolean;
  /** Texts that belong into no answer: the system prompt with its canary. The output guard looks for their words. */
  readonly confidential: readonly string[];
  /** Those of the sources, best first and in their order, that the model's context has room for. Pure. */
  fit(input: AnswerInput): readonly AnswerSource[];
  /**
   * The most that answering may cost when each call goes well at once, in millionths of a US dollar: the prompt as it is counted,
   * and all the words that the model may write. Attempts made again are allowed one by one. Pure.
   */
  maxMicroUsd(input: AnswerInput): number;
  /**
   * Answers from the sources alone. Stops soon after the signal fires, with the signal's reason. Usage of a call that is cut
   * off is told before the error, when it is known.
   * Thrown: AppError MODEL_UNAVAILABLE when the model cannot be had; what it told before that stands.
   */
  answer(input: AnswerInput, signal: AbortSignal): AsyncIterable<ModelEvent>;
  /** The question in words that need no conversation; as it was, where that fails. Thrown: AppErrors CANCELLED and DEADLINE_EXCEEDED, of the signal. */
  rewrite(asked: FollowUp, signal: AbortSignal): Promise<string>;
}

/** A name that stands for a model: the best one, or the quick and cheap one. */
export type ModelAlias = 'quality' | 'fast';

/** A model as it is listed. */
export interface ModelCard {
  readonly id: string;
  /** Names that stand for it here. */
  readonly aliases: readonly ModelAlias[];
  /** Tokens that question, history, sources and answer share. */
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  /** Undefined: it costs nothing. */
  readonly prices?: ModelPrices;
}

/** What a model costs, in millionths of a US dollar for a million tokens. */
export interface ModelPrices {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

/** The models that this installation may use. */
export interface AnswerModels {
  readonly known: readonly ModelCard[];
  /**
   * The model of an alias or an id. Thrown: AppError MODEL_NOT_ALLOWED for a name that is not known here.
   */
  pick(wanted: string): AnswerModel;
}

/** Puts sources into the order in which they bear on a question. Adapters: as retrieved, a local one, Bedrock's. */
export interface Reranker {
  readonly id: string;
  /** What it is billed for when it is asked to order these; undefined when that costs nothing. Pure. */
  billed(question: string, sources: readonly AnswerSource[]): ModelUsage | undefined;
  /** How many sources it wants to choose `topK` from; at least `topK`, at most 100. */
  candidates(topK: number): number;
  /**
   * At most `topK` of the sources, best first, otherwise unchanged (the handler numbers them). Stops soon after the signal
   * fires. Thrown: AppError MODEL_UNAVAILABLE.
   */
  rerank(
    question: string,
    sources: readonly AnswerSource[],
    topK: number,
    signal: AbortSignal,
  ): Promise<{ readonly sources: readonly AnswerSource[]; readonly usage?: ModelUsage }>;
}

/** What happens to a statement that the sources do not bear out: it is marked, left out, or the whole answer refused. */
export type CitationPolicy = 'mark' | 'drop' | 'refuse';

/** How a tenant wants to be answered. Total: the source of it has put in the defaults. */
export interface AnswerSettings {
  /** An alias, or the id of a model. */
  readonly model: string;
  readonly citationPolicy: CitationPolicy;
  /** Whether the tenant's programs may use the OpenAI-compatible API. */
  readonly completionsEnabled: boolean;
  /** What answers may cost in a calendar month (UTC); undefined: without a bound. */
  readonly monthlyBudgetMicroUsd: number | undefined;
  /** Whether what was found is put into a better order before it is answered from. */
  readonly rerank: boolean;
  /** Guardrail of Amazon Bedrock that questions and answers pass. */
  readonly guardrail: Guardrail | undefined;
}

/** Where a tenant's settings come from. */
export interface SettingsSource {
  of(call: CallContext): Promise<AnswerSettings>;
}

/** A source that keeps what it has read for a while. */
export interface SettingsCache extends SettingsSource {
  /** Settings of a tenant that never set any. */
  readonly defaults: AnswerSettings;
  /** Forgets what it knows of a tenant, whose settings were changed in this process. */
  forget(tenantId: string): void;
}

/** What the tenant has used, and may still use. */
export interface UsageLedger {
  /**
   * Lets one answer begin, and sets the least that it may cost at most aside until it is settled: answers under way count.
   * Thrown: AppError BUDGET_EXCEEDED when the month's budget has no room for it.
   */
  admit(
    call: CallContext,
    settings: AnswerSettings,
    answer: { readonly modelId: string; readonly maxMicroUsd: number },
  ): Promise<Admission>;
}

/** An answer that was let begin. */
export interface Admission {
  /**
   * Before a call that costs: sees to it that what the answer may have cost in all when the call is over is set aside. From the
   * first time on, what is set aside counts as spent until it is settled, whatever becomes of this process.
   * Thrown: AppErrors BUDGET_EXCEEDED when the month's budget has no room for it, DATABASE_UNAVAILABLE.
   */
  cover(maxMicroUsd: number): Promise<void>;
  /**
   * Counts what the answer used, one usage for each model, also of an answer that failed or was left, and gives back what was
   * set aside. Called once, always. What cannot be counted is logged with its figures, and what was set aside stays counted: the
   * answer is not taken back for it.
   */
  settle(usages: readonly ModelUsage[]): Promise<void>;
}

/** A turn to keep. PHI. */
export interface NewTurn extends ConversationTurn {
  /** The question in words that need no conversation; the same where nothing had to be added. */
  readonly standaloneQuestion: string;
  readonly citations: readonly MessageInitShape<typeof CitationSchema>[];
  readonly modelId: string;
  readonly outcome: AnswerOutcome;
}

/** A conversation that a question goes on with. */
export interface Conversation {
  /** Empty when nothing of it is kept here. */
  readonly id: string;
  /** Turns before, oldest first, no more than a model is to read, and of those kept none that was blocked. */
  readonly history: readonly ConversationTurn[];
  /**
   * Keeps one more turn, sealed. Returns its number, from 1; 0 when the conversation was deleted meanwhile, and when nothing of
   * it is kept here.
   */
  keep(turn: NewTurn): Promise<number>;
}

/** The tenant's conversations. */
export interface Conversations {
  /** Thrown: AppError CONVERSATION_NOT_FOUND when the id is nobody's of whom the caller may know. */
  open(call: CallContext, conversationId: string): Promise<Conversation>;
  /** One that the caller tells, who may have made it up, oldest first; none of it where there are no turns. Nothing is kept. */
  told(turns: readonly ConversationTurn[]): Conversation;
}

/** What the handlers of conversations need, and what keeps them. */
export interface ConversationDeps {
  readonly database: Pick<Database, 'inTenant' | 'inPlatform'>;
  readonly keys: KeyRing;
  readonly auditor: Pick<Auditor, 'record' | 'recordAll'>;
  readonly metrics: HistoryMetrics;
  readonly log: Logger;
  readonly retention: Retention;
  /** How much of a conversation a model is given. */
  readonly window: HistoryWindow;
}

/** What the handlers of settings and usage need. */
export interface SettingsDeps {
  readonly database: Pick<Database, 'inTenant'>;
  readonly auditor: Pick<Auditor, 'record' | 'recordAll'>;
  readonly log: Logger;
  readonly models: AnswerModels;
  readonly settings: SettingsCache;
}

/** What handlers need. main.ts fills it in; tests fill in real or failing parts. */
export interface Deps {
  readonly models: AnswerModels;
  readonly settings: SettingsSource;
  readonly ledger: UsageLedger;
  readonly conversations: Conversations;
  readonly reranker: Reranker;
  readonly retrieval: Pick<ServiceClient<typeof RetrievalService>, 'search'>;
  readonly auditor: Pick<Auditor, 'record'>;
  readonly metrics: AnswerMetrics;
  readonly log: Logger;
  readonly limits: Limits;
}

/** What goes on at once at most. */
export interface Limits {
  /** Answers in flight; and, beside them, as many calls of what is kept. */
  readonly maxAnswers: number;
  /** How many percent of them may be one tenant's. */
  readonly tenantSlotPercent: number;
}
