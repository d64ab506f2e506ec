/**
 * What stands between checks and the guardrail that they ask: one guard for each guardrail in a region, whatever model is asked. One
 * of a tenant's own that is away is nobody else's trouble.
 */
import type { ModelGuard } from '@wardstone/aws/bedrock';
import { LRUCache } from 'lru-cache';
import type { Guardrail } from '../ports.ts';

/** The guard of a guardrail in a region. */
export type GuardrailGuards = (guardrail: Guardrail, region: string) => ModelGuard;

/** Tenants name as many as they like. */
export const maxGuards = 256;

/** A guard that was not asked for longest goes, and what it knew with it. */
export function createGuardrailGuards(create: GuardrailGuards): GuardrailGuards {
  const guards = new LRUCache<string, ModelGuard>({ max: maxGuards });
  return (guardrail, region) => {
    const key = JSON.stringify([guardrail.id, guardrail.version, region]);
    const guard = guards.get(key) ?? create(guardrail, region);
    guards.set(key, guard);
    return guard;
  };
}
