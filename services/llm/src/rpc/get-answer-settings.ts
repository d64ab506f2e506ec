import type { HandlerContext } from '@connectrpc/connect';
import { callContext, tenantOf } from '@wardstone/rpc';
import type { GetAnswerSettingsRequest } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { findSettings } from '../db/answer-settings.ts';
import type { SettingsDeps } from '../ports.ts';
import { settingsToWire } from './settings-wire.ts';

/** The settings as the database has them: who changes them must not read an old etag. */
export function getAnswerSettings({ database, settings }: Pick<SettingsDeps, 'database' | 'settings'>) {
  return async (_request: GetAnswerSettingsRequest, context: HandlerContext) => {
    const tenantId = tenantOf(callContext(context));
    const row = await database.inTenant(tenantId, (tx) => findSettings(tx, tenantId));
    return { settings: settingsToWire(row, settings.defaults) };
  };
}
