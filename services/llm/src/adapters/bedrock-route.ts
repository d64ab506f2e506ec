/** Where calls to a model go: a card, a region, its client, and the guard that all its calls share. */
import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import type { ModelGuard } from '@wardstone/aws/bedrock';
import type { Reason } from '@wardstone/rpc';
import type { BedrockCard } from '../domain/model-cards.ts';
import type { RouteLabels } from '../model-metrics.ts';

export interface ModelRoute {
  readonly card: BedrockCard;
  readonly region: string;
  readonly client: Pick<BedrockRuntimeClient, 'send'>;
  readonly guard: ModelGuard;
}

/** At least one: the first is asked first, the others when it fails before it has told anything. */
export type ModelRoutes = readonly [ModelRoute, ...ModelRoute[]];

export function labelsOf({ card, region }: Pick<ModelRoute, 'card' | 'region'>): RouteLabels {
  return { model: card.label, region };
}

/** What another model, or the same one in another region, may do better. An input that one refuses, all refuse. */
const elsewhere: ReadonlySet<Reason> = new Set<Reason>([
  'MODEL_UNAVAILABLE',
  'MODEL_THROTTLED',
  'MODEL_STREAM_BROKEN',
  'MODEL_TIMEOUT',
  'MODEL_QUOTA_EXCEEDED',
  'MODEL_NOT_FOUND',
  'MODEL_ACCESS_DENIED',
]);

export function mayGoElsewhere(reason: Reason): boolean {
  return elsewhere.has(reason);
}
