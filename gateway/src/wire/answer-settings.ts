import { needs } from '@wardstone/rpc';
import {
  type AnswerSettings,
  type CitationPolicy,
  CitationPolicySchema,
  type GetUsageResponse,
} from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import type { z } from 'zod';
import type { newAnswerSettingsSchema } from '../schemas/answer-settings.ts';
import { fromUsd, toUsd } from '../schemas/usd.ts';
import { enumName, enumValue } from './enums.ts';
import { toInstant } from './timestamp.ts';

/** Settings as the API shows them. Thrown: INTERNAL when the service answered without any. */
export function toAnswerSettings(settings: AnswerSettings | undefined) {
  needs(settings, 'INTERNAL');
  const { model, completionsEnabled, rerank, guardrail, etag, updatedAt } = settings;
  return {
    model,
    // A policy that is not known here is shown as the strictest: nobody relies on less than is done.
    citationPolicy: enumName(CitationPolicySchema, settings.citationPolicy, 'REFUSE'),
    completionsEnabled,
    monthlyBudgetUsd: toUsd(settings.monthlyBudgetMicroUsd),
    rerank,
    guardrail: guardrail === undefined ? null : { guardrailId: guardrail.guardrailId, version: guardrail.version },
    etag,
    updatedAt: updatedAt === undefined ? null : toInstant(updatedAt),
  };
}

/** Settings of a request as a message. */
export function fromAnswerSettings(settings: z.output<typeof newAnswerSettingsSchema>) {
  const { model, citationPolicy, completionsEnabled, monthlyBudgetUsd, rerank, guardrail } = settings;
  return {
    ...{ model, completionsEnabled, rerank },
    citationPolicy: enumValue<CitationPolicy>(CitationPolicySchema, citationPolicy),
    monthlyBudgetMicroUsd: fromUsd(monthlyBudgetUsd),
    ...(guardrail === null ? {} : { guardrail }),
  };
}

/** What was used, as the API shows it. */
export function toUsage({ month, models, costMicroUsd, reservedMicroUsd, monthlyBudgetMicroUsd }: GetUsageResponse) {
  return {
    month,
    models: models.map((usage) => ({
      modelId: usage.modelId,
      answers: Number(usage.answers),
      inputTokens: Number(usage.inputTokens),
      outputTokens: Number(usage.outputTokens),
      cacheReadTokens: Number(usage.cacheReadTokens),
      cacheWriteTokens: Number(usage.cacheWriteTokens),
      costUsd: toUsd(usage.costMicroUsd),
    })),
    costUsd: toUsd(costMicroUsd),
    reservedUsd: toUsd(reservedMicroUsd),
    monthlyBudgetUsd: toUsd(monthlyBudgetMicroUsd),
  };
}
