/** Settings on the wire: converted once, on the way in and on the way out. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  AnswerSettingsSchema,
  CitationPolicy as WirePolicy,
  type AnswerSettings as WireSettings,
} from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { settingsOf } from '../adapters/answer-settings.ts';
import type { AnswerSettingsRow } from '../db/entities.ts';
import { etagOf } from '../domain/answer-settings.ts';
import type { AnswerSettings, CitationPolicy } from '../ports.ts';

const wirePolicies = {
  mark: WirePolicy.MARK,
  drop: WirePolicy.DROP,
  refuse: WirePolicy.REFUSE,
} as const satisfies Record<CitationPolicy, WirePolicy>;

export function settingsToWire(row: AnswerSettingsRow | undefined, defaults: AnswerSettings): WireSettings {
  const { model, citationPolicy, completionsEnabled, monthlyBudgetMicroUsd, rerank, guardrail } = settingsOf(
    row,
    defaults,
  );
  return create(AnswerSettingsSchema, {
    model,
    citationPolicy: wirePolicies[citationPolicy],
    completionsEnabled,
    monthlyBudgetMicroUsd: BigInt(monthlyBudgetMicroUsd ?? 0),
    rerank,
    ...(guardrail === undefined ? {} : { guardrail: { guardrailId: guardrail.id, version: guardrail.version } }),
    etag: etagOf(row?.revision ?? 0),
    ...(row === undefined ? {} : { updatedAt: timestampFromDate(row.updatedAt) }),
  });
}

/** What is not valid was refused by its message's rules before. */
export function settingsFromWire(
  tenantId: string,
  settings: WireSettings,
): Omit<AnswerSettingsRow, 'revision' | 'updatedAt'> {
  const { model, completionsEnabled, monthlyBudgetMicroUsd, rerank, guardrail } = settings;
  const [citationPolicy] =
    (Object.entries(wirePolicies) as [CitationPolicy, WirePolicy][]).find(
      ([, policy]) => policy === settings.citationPolicy,
    ) ?? [];
  return {
    tenantId,
    model,
    // The strictest, should a later version's policy come this far.
    citationPolicy: citationPolicy ?? 'refuse',
    completionsEnabled,
    monthlyBudgetMicroUsd: monthlyBudgetMicroUsd === 0n ? null : Number(monthlyBudgetMicroUsd),
    rerank,
    guardrailId: guardrail?.guardrailId ?? null,
    guardrailVersion: guardrail?.version ?? null,
  };
}
