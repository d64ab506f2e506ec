import type { ModelUsage } from '../ports.ts';

/** What one answer used, call by call. */
export interface Spending {
  readonly all: readonly ModelUsage[];
  add(usage: ModelUsage): void;
  /** The sum; the model is the last one's, and empty when nothing was used. */
  total(): ModelUsage;
}

const nothing: ModelUsage = {
  modelId: '',
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  costMicroUsd: 0,
};

export function createSpending(): Spending {
  const all: ModelUsage[] = [];
  return {
    all,
    add: (usage) => void all.push(usage),
    total: () =>
      all.reduce(
        (sum, usage) => ({
          modelId: usage.modelId,
          inputTokens: sum.inputTokens + usage.inputTokens,
          outputTokens: sum.outputTokens + usage.outputTokens,
          cacheReadTokens: sum.cacheReadTokens + usage.cacheReadTokens,
          cacheWriteTokens: sum.cacheWriteTokens + usage.cacheWriteTokens,
          costMicroUsd: sum.costMicroUsd + usage.costMicroUsd,
        }),
        nothing,
      ),
  };
}
