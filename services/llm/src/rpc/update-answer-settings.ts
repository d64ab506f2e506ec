import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, needs, tenantOf } from '@wardstone/rpc';
import type { UpdateAnswerSettingsRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { replaceSettings } from '../db/answer-settings.ts';
import type { AnswerSettingsRow } from '../db/entities.ts';
import { revisionOf } from '../domain/answer-settings.ts';
import type { SettingsDeps } from '../ports.ts';
import { settingsFromWire, settingsToWire } from './settings-wire.ts';

/**
 * Replaces the settings as a whole, in one transaction that ends with the audit event. In force here at once, in every other
 * process when what it holds has run out.
 */
export function updateAnswerSettings({ database, auditor, models, settings }: SettingsDeps) {
  return async (request: UpdateAnswerSettingsRequest, context: HandlerContext) => {
    const call = callContext(context);
    const tenantId = tenantOf(call);
    needs(request.settings, 'INVALID_ARGUMENT');
    const wanted = settingsFromWire(tenantId, request.settings);
    // Thrown: MODEL_NOT_ALLOWED.
    const { takesGuardrail } = models.pick(wanted.model);
    needs(wanted.guardrailId === null || takesGuardrail, 'GUARDRAIL_NOT_SUPPORTED');
    const { etag } = request;
    const revision = etag === '' ? undefined : (revisionOf(etag) ?? -1);
    const event = {
      action: 'answer-settings.update',
      resourceType: 'answer-settings',
      resourceIds: [tenantId],
    } as const;
    const row = await database.inTenant(tenantId, async (tx) => {
      const replaced = await replaceSettings(tx, wanted, revision);
      if (replaced === undefined) return undefined;
      await auditor.record(call, { ...event, outcome: 'success', attributes: attributesOf(replaced) });
      return replaced;
    });
    if (row === undefined) {
      await auditor.record(call, { ...event, outcome: 'failure', reason: 'SETTINGS_CHANGED' });
      throw new AppError('SETTINGS_CHANGED');
    }
    settings.forget(tenantId);
    return { settings: settingsToWire(row, settings.defaults) };
  };
}

/** What was decided, for whoever asks later. None of it is content. */
function attributesOf(row: AnswerSettingsRow): Record<string, string> {
  return {
    model: row.model,
    citation_policy: row.citationPolicy,
    completions_enabled: String(row.completionsEnabled),
    monthly_budget_micro_usd: String(row.monthlyBudgetMicroUsd ?? 0),
    rerank: String(row.rerank),
    guardrail: row.guardrailId === null ? 'none' : `${row.guardrailId}/${row.guardrailVersion ?? ''}`,
  };
}
