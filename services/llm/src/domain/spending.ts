import type { ModelUsage } from '../ports.ts';

/** What one answer used, call by call. */
export interface Spending {
  add(usage: ModelUsage): void;
  /** A model was asked, whatever it will tell of what it used. */
  asked(modelId: string): void;
  /** What each model that was asked used in all. */
  byModel(): ModelUsage[];
  /** The sum; the model is the last one's that is paid by tokens, and empty when there was none. */
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
  const asked = new Set<string>();
  const sumOf = (usages: readonly ModelUsage[], start: ModelUsage): ModelUsage => usages.reduce(sum, start);
  return {
    add: (usage) => void all.push(usage),
    asked: (modelId) => void asked.add(modelId),
    byModel: () => {
      const models = new Set([...asked, ...all.map(({ modelId }) => modelId)]);
      return [...models].map((modelId) =>
        sumOf(
          all.filter((usage) => usage.modelId === modelId),
          { ...nothing, modelId },
        ),
      );
    },
    total: () => sumOf(all, nothing),
  };
}

function sum(before: ModelUsage, usage: ModelUsage): ModelUsage {
  return {
    modelId: usage.inputTokens + usage.outputTokens > 0 ? usage.modelId : before.modelId,
    inputTokens: before.inputTokens + usage.inputTokens,
    outputTokens: before.outputTokens + usage.outputTokens,
    cacheReadTokens: before.cacheReadTokens + usage.cacheReadTokens,
    cacheWriteTokens: before.cacheWriteTokens + usage.cacheWriteTokens,
    costMicroUsd: before.costMicroUsd + usage.costMicroUsd,
  };
}
