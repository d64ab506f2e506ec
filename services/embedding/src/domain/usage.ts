import type { EmbeddingModel, EmbeddingUsage } from '../ports.ts';

/** Of a model that is not metered. */
export const noUsage: EmbeddingUsage = { inputTokens: 0, costMicroUsd: 0 };

export function addUsage(a: EmbeddingUsage, b: EmbeddingUsage): EmbeddingUsage {
  return { inputTokens: a.inputTokens + b.inputTokens, costMicroUsd: a.costMicroUsd + b.costMicroUsd };
}

/** What the audit event says of it, so that usage can be told by tenant: cost in micro USD, with at most four decimals. */
export function usageAttributes(
  { metered }: Pick<EmbeddingModel, 'metered'>,
  { inputTokens, costMicroUsd }: EmbeddingUsage,
): Record<string, string> {
  if (!metered) return {};
  return { input_tokens: String(inputTokens), cost_micro_usd: String(Number(costMicroUsd.toFixed(4))) };
}
