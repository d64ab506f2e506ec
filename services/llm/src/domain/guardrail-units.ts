/** What guardrails of Bedrock are billed by: units of text, for each kind of policy that looks at it. */
import type { ModelUsage } from '../ports.ts';

/** The kinds of policies that cost, each by units of text. */
export type GuardrailPolicy = 'content' | 'topic' | 'sensitiveInformation' | 'grounding' | 'automatedReasoning';

/** Of one unit of text, in millionths of a US dollar. What an installation's guardrails do not have is set to 0. */
export type GuardrailPrices = Readonly<Record<GuardrailPolicy, number>>;

/** Units of text that each kind of policy looked at. */
export type GuardrailUnits = Readonly<Partial<Record<GuardrailPolicy, number>>>;

/** How guardrails stand among the models of a month. */
export const guardrailModelId = 'bedrock-guardrails';

const charsOfUnit = 1_000;
/** Of what a model writes: rather more than its tokens have. */
export const charsOfToken = 5;

/** Units of texts that are looked at one by one. */
function unitsOf(chars: readonly number[]): number {
  return chars.reduce((sum, count) => sum + Math.ceil(count / charsOfUnit), 0);
}

/**
 * Units where Bedrock does not tell them: as if each kind of policy that has a price looked at all that is checked, and that of
 * grounding at the sources too.
 */
export function estimatedUnits(
  checked: readonly number[],
  grounding: { readonly sources: readonly number[] } | undefined,
): GuardrailUnits {
  const units = unitsOf(checked);
  return {
    ...{ content: units, topic: units, sensitiveInformation: units, automatedReasoning: units },
    grounding: grounding === undefined ? 0 : units + unitsOf(grounding.sources),
  };
}

/** What units cost, in whole millionths of a dollar, rounded up. */
export function unitsMicroUsd(prices: GuardrailPrices, units: GuardrailUnits): number {
  const policies = Object.entries(prices) as [GuardrailPolicy, number][];
  return Math.ceil(policies.reduce((sum, [policy, price]) => sum + price * (units[policy] ?? 0), 0));
}

/** Units as they are counted. Tokens are not what they are billed by. */
export function unitsUsage(prices: GuardrailPrices, units: GuardrailUnits): ModelUsage {
  return {
    modelId: guardrailModelId,
    ...{ inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    costMicroUsd: unitsMicroUsd(prices, units),
  };
}
