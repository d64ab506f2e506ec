/**
 * What stands between checks and the guardrail that they ask: one guard for each guardrail in a region, whatever model is asked. One
 * of a tenant's own that is away is nobody else's trouble.
 */
import type { ModelGuard } from '@wardstone/aws/bedrock';
import { LRUCache } from 'lru-cache';
import { AppError } from '@wardstone/rpc';
import type { Guardrail } from '../ports.ts';
import type { ModelRoute } from './bedrock-route.ts';

/** The guard of a guardrail in a region; a further one for its place in the calls of a model, by the model's id. */
export type GuardrailGuards = (guardrail: Guardrail, region: string, modelId?: string) => ModelGuard;

/** Tenants name as many as they like. */
export const maxGuards = 256;

/** A guard that was not asked for longest goes, and what it knew with it. */
export function createGuardrailGuards(create: GuardrailGuards): GuardrailGuards {
  const guards = new LRUCache<string, ModelGuard>({ max: maxGuards });
  return (guardrail, region, modelId) => {
    const key = JSON.stringify([guardrail.id, guardrail.version, region, modelId]);
    const guard = guards.get(key) ?? create(guardrail, region, modelId);
    guards.set(key, guard);
    return guard;
  };
}

/**
 * The route for calls that have this guardrail in them. Of a call with a tenant's own nobody knows whether the guardrail failed or
 * the model: it counts for the guardrail's circuit, or one tenant's could close the model to all. While the model is known to be
 * away, it is not asked.
 */
export function routeWith(
  route: ModelRoute,
  { inStream, floor }: { readonly inStream: Guardrail | undefined; readonly floor: Guardrail | undefined },
  guardOf: GuardrailGuards,
): ModelRoute {
  if (inStream === undefined || floor !== undefined) return route;
  const own = guardOf(inStream, route.region, route.card.id);
  const run: ModelGuard['run'] = (attempt, call) =>
    route.guard.refuses() ? Promise.reject(new AppError('MODEL_UNAVAILABLE')) : own.run(attempt, call);
  return { ...route, guard: { ...own, run } };
}
