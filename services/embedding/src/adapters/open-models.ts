/** The models that the configuration names. */
import { InvokeModelCommand } from '@aws-sdk/client-bedrock-runtime';
import { createBedrockRuntime, createModelGuard, inBedrock, type ModelGuardOptions } from '@wardstone/aws/bedrock';
import type { Logger } from '@wardstone/telemetry';
import type { Config, ServedModel, TitanConfig } from '../config.ts';
import { createAdaptiveLimit } from '../domain/adaptive-limit.ts';
import { createLexicalEmbedder } from '../domain/lexical-embedder.ts';
import { servedModels } from '../domain/served-models.ts';
import type { TitanDimensions } from '../domain/titan-models.ts';
import type { EmbeddingMetrics } from '../metrics.ts';
import type { EmbeddingModel, EmbeddingModels } from '../ports.ts';
import { createTitanModel, type InvokeTitan } from './bedrock-titan.ts';
import { measuredModel } from './measured-model.ts';

/** Requests that may wait for their turn: those of some sixty documents, or of as many calls of `Embed`; of questions as many. */
const maxWaiting = 4_096;
/** Of one tenant, a quarter. */
const maxWaitingPerTenant = 1_024;
/** A request that fails costs, or may have cost, as much as one that succeeds; one that is throttled costs nothing. */
const attempts = 3;
const throttledAttempts = 10;

/** The models, with metrics. Nothing is sent before the first text. */
export function openModels(
  config: Pick<Config, 'currentModel' | 'keptModels' | 'titan'>,
  metrics: EmbeddingMetrics,
  log: Logger,
): EmbeddingModels & { close(): Promise<void> } {
  const { currentModel, keptModels } = config;
  const titan = config.titan === undefined ? undefined : openTitan(config.titan, metrics, log);
  const open = (served: ServedModel): EmbeddingModel => {
    if (served !== 'lexical' && titan !== undefined) return measuredModel(titan.model(served), metrics);
    const model = measuredModel(createLexicalEmbedder(), metrics);
    log.warn({ model: model.id }, 'the embedded lexical model is in use: it matches words, not meanings');
    return model;
  };
  const models = servedModels(open(currentModel), keptModels.map(open));
  return { ...models, close: () => Promise.resolve(titan?.close()) };
}

/** Titan with any number of dimensions is one model to Bedrock: one client, one limit, one circuit. */
export interface OpenTitan {
  model(dimensions: TitanDimensions): EmbeddingModel;
  /** Closes its connections. */
  close(): void;
}

export function openTitan(
  config: TitanConfig,
  metrics: EmbeddingMetrics,
  log: Logger,
  tuning: Pick<ModelGuardOptions, 'delays' | 'circuit'> = {},
): OpenTitan {
  const { region, endpoint, invokedId: modelId, requestTimeoutMs } = config;
  const client = createBedrockRuntime({ region, endpoint, requestTimeoutMs, userAgent: 'wardstone-embedding' });
  const json = 'application/json';
  const invoke: InvokeTitan = (body, signal) =>
    inBedrock(
      async (abortSignal) => {
        const command = new InvokeModelCommand({ modelId, body, contentType: json, accept: json });
        return (await client.send(command, { abortSignal })).body;
      },
      { signal, timeoutMs: requestTimeoutMs },
    );
  const guard = createModelGuard({
    ...tuning,
    attempts,
    throttledAttempts,
    onCircuit: (state) => {
      metrics.circuit(state);
      log.warn({ model: modelId, state }, 'the circuit to the model has changed');
    },
  });
  const limit = createAdaptiveLimit({
    ...{ max: config.maxConcurrency, maxWaiting, maxWaitingPerTenant },
    onChange: metrics.concurrency,
  });
  const { microUsdPer1000Tokens, passageTimeoutMs: textTimeoutMs } = config;
  return {
    model: (dimensions) =>
      createTitanModel({ dimensions, invoke, guard, limit, microUsdPer1000Tokens, textTimeoutMs, metrics }),
    close: () => client.destroy(),
  };
}
