/** What is known of the models of an installation: configuration, never code. `models/cards.json` holds the defaults. */
import { z } from 'zod';
import type { GuardrailPrices } from './guardrail-units.ts';
import type { ModelAlias, ModelCard, ModelPrices, ModelUsage } from '../ports.ts';

/** A model of Bedrock. */
export interface BedrockCard extends ModelCard {
  /** How metrics name it. */
  readonly label: string;
  /** Whether the model takes temperature and its like, or refuses a request that has them. */
  readonly sampling: 'accepted' | 'refused';
  /** Whether it takes cache points. */
  readonly promptCaching: boolean;
  readonly prices: ModelPrices;
}

/** A reranking model of Bedrock. */
export interface RerankerCard {
  readonly id: string;
  /** How metrics name it. */
  readonly label: string;
  readonly usdPerThousandQueries: number;
}

export interface Cards {
  readonly models: readonly BedrockCard[];
  readonly rerankers: readonly RerankerCard[];
  readonly guardrails: GuardrailPrices;
}

/** Tokens of each kind that a call used, as Bedrock counts them: those from and for the cache are not among the input. */
export type UsedTokens = Omit<ModelUsage, 'modelId' | 'costMicroUsd'>;

const maxModels = 32;
const micros = 1_000_000;
const microsOfUnit = micros / 1_000;
const usd = z.number().min(0).max(10_000);
const modelId = z.string().regex(/^[A-Za-z0-9._:/-]{1,200}$/);
const label = z.string().regex(/^[a-z0-9-]{1,32}$/);

const cardSchema = z
  .strictObject({
    id: modelId,
    label,
    aliases: z.array(z.enum(['quality', 'fast'])).max(2),
    contextTokens: z.number().int().min(4_096).max(10_000_000),
    maxOutputTokens: z.number().int().min(256).max(1_000_000),
    sampling: z.enum(['accepted', 'refused']),
    promptCaching: z.boolean(),
    usdPerMillionTokens: z.strictObject({ input: usd, output: usd, cacheRead: usd, cacheWrite: usd }),
  })
  .transform(({ usdPerMillionTokens: inUsd, ...card }): BedrockCard => {
    const { input, output, cacheRead, cacheWrite } = inUsd;
    const prices = {
      input: inMicros(input),
      output: inMicros(output),
      cacheRead: inMicros(cacheRead),
      cacheWrite: inMicros(cacheWrite),
    };
    return { ...card, prices };
  });

const rerankerSchema = z.strictObject({ id: modelId, label, usdPerThousandQueries: usd });

const guardrailsSchema = z
  .strictObject({
    usdPerThousandUnits: z.strictObject({
      content: usd,
      topic: usd,
      sensitiveInformation: usd,
      grounding: usd,
      automatedReasoning: usd,
    }),
  })
  .transform(({ usdPerThousandUnits: inUsd }): GuardrailPrices => ({
    content: inUsd.content * microsOfUnit,
    topic: inUsd.topic * microsOfUnit,
    sensitiveInformation: inUsd.sensitiveInformation * microsOfUnit,
    grounding: inUsd.grounding * microsOfUnit,
    automatedReasoning: inUsd.automatedReasoning * microsOfUnit,
  }));

/** Cards as an operator writes them. Every id and label is there once; one model is `quality` and one `fast`. */
export const cardsSchema = z
  .strictObject({
    models: z.array(cardSchema).min(1).max(maxModels),
    rerankers: z.array(rerankerSchema).max(maxModels).default([]),
    guardrails: guardrailsSchema,
  })
  .refine(({ models, rerankers }) => allDiffer([...models, ...rerankers].map(({ id }) => id)), 'has an id twice')
  .refine(
    ({ models, rerankers }) => allDiffer([...models, ...rerankers].map((card) => card.label)),
    'has a label twice',
  )
  .refine(({ models }) => holders(models, 'quality') === 1, 'must have one model with the alias quality')
  .refine(({ models }) => holders(models, 'fast') === 1, 'must have one model with the alias fast')
  .refine(
    ({ models }) => models.every((card) => card.maxOutputTokens <= card.contextTokens / 2),
    'must leave half of each context to the prompt',
  );

/** What the tokens cost, in whole millionths of a dollar, rounded up. */
export function costMicroUsd(prices: ModelPrices, used: UsedTokens): number {
  const cost =
    used.inputTokens * prices.input +
    used.outputTokens * prices.output +
    used.cacheReadTokens * prices.cacheRead +
    used.cacheWriteTokens * prices.cacheWrite;
  return Math.ceil(cost / micros);
}

/**
 * The most that a call can cost in all, in whole millionths of a dollar: its prompt as it is read or written for the cache, whichever
 * is dearer, and as many tokens written as it may.
 */
export function maxCostMicroUsd(
  { prices, promptCaching, maxOutputTokens }: Pick<BedrockCard, 'prices' | 'promptCaching' | 'maxOutputTokens'>,
  promptTokens: number,
): number {
  const input = promptCaching ? Math.max(prices.input, prices.cacheWrite) : prices.input;
  return Math.ceil((promptTokens * input + maxOutputTokens * prices.output) / micros);
}

/** What a model used, with its cost. */
export function usageOf(card: Pick<BedrockCard, 'id' | 'prices'>, used: UsedTokens): ModelUsage {
  return { modelId: card.id, ...used, costMicroUsd: costMicroUsd(card.prices, used) };
}

function inMicros(dollars: number): number {
  return Math.round(dollars * micros);
}

function allDiffer(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

function holders(models: readonly Pick<ModelCard, 'aliases'>[], alias: ModelAlias): number {
  return models.filter(({ aliases }) => aliases.includes(alias)).length;
}
