/** Where calls to a model go: a card, a region, its client, and the guard that all its calls share. */
import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import type { ModelGuard } from '@wardstone/aws/bedrock';
import { AppError, type Reason } from '@wardstone/rpc';
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

/** The attempts of a call of which nothing came, though Bedrock may have read what it was sent, and bills it. */
export interface Attempts {
  /** How many there were. */
  readonly read: number;
  make<T>(attempt: () => Promise<T>): Promise<T>;
}

/** An attempt that ends otherwise was refused, or did not come as far. */
const readBefore: ReadonlySet<Reason> = new Set<Reason>(['MODEL_TIMEOUT', 'MODEL_STREAM_BROKEN']);

export function createAttempts(signal: AbortSignal): Attempts {
  let read = 0;
  return {
    get read() {
      return read;
    },
    async make(attempt) {
      // Of a caller who had left before, nothing is sent.
      signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        if (signal.aborted || readBefore.has(AppError.from(error).reason)) read += 1;
        throw error;
      }
    },
  };
}
