import type { HandlerContext } from '@connectrpc/connect';
import { callContext, tenantOf } from '@wardstone/rpc';
import type { GetUsageRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { findSettings } from '../db/answer-settings.ts';
import { committedMicroUsd, findUsage } from '../db/usage.ts';
import { monthOf } from '../domain/months.ts';
import type { SettingsDeps } from '../ports.ts';

/** What the tenant's answers used in a month, and what is set aside of its budget. */
export function getUsage({ database }: Pick<SettingsDeps, 'database'>) {
  return async (request: GetUsageRequest, context: HandlerContext) => {
    const tenantId = tenantOf(callContext(context));
    const now = new Date();
    const month = request.month === '' ? monthOf(now) : request.month;
    return database.inTenant(tenantId, async (tx) => {
      const rows = await findUsage(tx, tenantId, month);
      const { spent, reserved } = await committedMicroUsd(tx, month, now);
      const settings = await findSettings(tx, tenantId);
      return {
        month,
        models: rows.map((row) => ({
          modelId: row.modelId,
          answers: BigInt(row.answers),
          inputTokens: BigInt(row.inputTokens),
          outputTokens: BigInt(row.outputTokens),
          cacheReadTokens: BigInt(row.cacheReadTokens),
          cacheWriteTokens: BigInt(row.cacheWriteTokens),
          costMicroUsd: BigInt(row.costMicroUsd),
        })),
        costMicroUsd: BigInt(spent),
        reservedMicroUsd: BigInt(reserved),
        monthlyBudgetMicroUsd: BigInt(settings?.monthlyBudgetMicroUsd ?? 0),
      };
    });
  };
}
