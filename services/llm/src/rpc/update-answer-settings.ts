import { recordThen } from '@wardstone/access';
import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, needs, tenantOf } from '@wardstone/rpc';
import type { UpdateAnswerSettingsRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { findSettings, replaceSettings } from '../db/answer-settings.ts';
import type { AnswerSettingsRow } from '../db/entities.ts';
import { revisionOf } from '../domain/answer-settings.ts';
import type { SettingsDeps } from '../ports.ts';
import { settingsFromWire, settingsToWire } from './settings-wire.ts';

/**
 * Replaces the settings as a whole, once that is recorded. In force here at once, in every other process when what it holds has
 * run out.
 */
export function updateAnswerSettings(deps: SettingsDeps) {
  const { database, auditor, models, settings } = deps;
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
    const before = await database.inTenant(tenantId, (tx) => findSettings(tx, tenantId));
    if (revision !== undefined && revision !== (before?.revision ?? 0)) {
      await auditor.record(call, { ...event, outcome: 'failure', reason: 'SETTINGS_CHANGED' });
      throw new AppError('SETTINGS_CHANGED');
    }
    const row = await recordThen(deps, call, [{ ...event, attributes: attributesOf(wanted) }], async () => {
      const replaced = await database.inTenant(tenantId, (tx) => replaceSettings(tx, wanted, revision));
      // Somebody else was quicker.
      needs(replaced, 'SETTINGS_CHANGED');
      return replaced;
    });
    settings.forget(tenantId);
    return { settings: settingsToWire(row, settings.defaults) };
  };
}

/** What was decided, for whoever asks later. None of it is content. */
function attributesOf(row: Omit<AnswerSettingsRow, 'revision' | 'updatedAt'>): Record<string, string> {
  return {
    model: row.model,
    citation_policy: row.citationPolicy,
    completions_enabled: String(row.completionsEnabled),
    monthly_budget_micro_usd: String(row.monthlyBudgetMicroUsd ?? 0),
    rerank: String(row.rerank),
    guardrail: row.guardrailId === null ? 'none' : `${row.guardrailId}/${row.guardrailVersion ?? ''}`,
  };
}
