/** Tenants' settings out of the database, kept for seconds. */
import type { Database } from '@wardstone/db';
import { tenantOf } from '@wardstone/rpc';
import { LRUCache } from 'lru-cache';
import { findSettings } from '../db/answer-settings.ts';
import type { AnswerSettingsRow } from '../db/entities.ts';
import type { AnswerSettings, SettingsCache } from '../ports.ts';

/** A change is in force on every replica after so long. The proto and the README say so too. */
export const settingsMaxAgeMs = 5_000;
const maxTenants = 10_000;

/** `now` is monotonic, in milliseconds above 0. Thrown by `of`: DATABASE_UNAVAILABLE; nobody is answered by guessed settings. */
export function createSettingsSource(
  database: Pick<Database, 'inTenant'>,
  defaults: AnswerSettings,
  now: () => number = () => performance.now(),
): SettingsCache {
  const cache = new LRUCache<string, { readonly settings: AnswerSettings; readonly until: number }>({
    max: maxTenants,
  });
  return {
    defaults,
    async of(call) {
      const tenantId = tenantOf(call);
      const startedAt = now();
      const cached = cache.get(tenantId);
      if (cached !== undefined && startedAt < cached.until) return cached.settings;
      const row = await database.inTenant(tenantId, (tx) => findSettings(tx, tenantId));
      const settings = settingsOf(row, defaults);
      // From when it was asked for, not from when it came: a change in between must not live longer for it.
      cache.set(tenantId, { settings, until: startedAt + settingsMaxAgeMs });
      return settings;
    },
    forget: (tenantId) => void cache.delete(tenantId),
  };
}

/** Settings out of their row; the defaults without one. */
export function settingsOf(row: AnswerSettingsRow | undefined, defaults: AnswerSettings): AnswerSettings {
  if (row === undefined) return defaults;
  const { model, citationPolicy, completionsEnabled, monthlyBudgetMicroUsd, rerank } = row;
  const { guardrailId, guardrailVersion } = row;
  const guardrail =
    guardrailId === null || guardrailVersion === null ? undefined : { id: guardrailId, version: guardrailVersion };
  const budget = monthlyBudgetMicroUsd ?? undefined;
  return { model, citationPolicy, completionsEnabled, monthlyBudgetMicroUsd: budget, rerank, guardrail };
}
