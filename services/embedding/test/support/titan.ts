/** Titan over a double of Bedrock: the SDK's own client, real HTTP/2. */
import type { CircuitOptions } from '@wardstone/aws/bedrock';
import { Registry } from '@wardstone/telemetry';
import { testAwsRegion } from '@wardstone/testing/aws';
import {
  startBedrockDouble,
  type BedrockCall,
  type BedrockDouble,
  type BedrockDoubleOptions,
} from '@wardstone/testing/bedrock';
import { openTitan, type OpenTitan } from '../../src/adapters/open-models.ts';
import type { TitanConfig } from '../../src/config.ts';
import type { TitanDimensions } from '../../src/domain/titan-models.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { EmbeddingModel } from '../../src/ports.ts';
import { quietTelemetry } from './harness.ts';

export const titanId = 'amazon.titan-embed-text-v2:0';

export interface TitanHarness {
  readonly double: BedrockDouble;
  readonly model: EmbeddingModel;
  readonly registry: Registry;
  /** Another model of the same client, limit and circuit. */
  modelOf(dimensions: TitanDimensions): EmbeddingModel;
  close(): Promise<void>;
}

export interface TitanHarnessOptions {
  readonly config?: Partial<TitanConfig>;
  readonly circuit?: CircuitOptions;
  readonly double?: BedrockDoubleOptions;
}

/** The suite has to use `useTestAwsCredentials`. */
export async function openTitanHarness(options: TitanHarnessOptions = {}): Promise<TitanHarness> {
  const double = await startBedrockDouble(options.double);
  const registry = new Registry();
  const titan = openTestTitan(double.endpoint, registry, options);
  return {
    double,
    model: titan.model(1024),
    registry,
    modelOf: titan.model,
    close: async () => {
      titan.close();
      await double.close();
    },
  };
}

/** Texts that were answered, thus paid for, in the order in which they came. */
export function paidTexts({ calls }: Pick<BedrockDouble, 'calls'>): string[] {
  return calls.filter(({ status }) => status === 200).map(textOf);
}

export function textOf({ body }: BedrockCall): string {
  const { inputText } = body;
  return typeof inputText === 'string' ? inputText : '';
}

/** Titan at an endpoint, with short pauses between attempts. */
export function openTestTitan(
  endpoint: string,
  registry: Registry,
  { config, circuit }: Pick<TitanHarnessOptions, 'config' | 'circuit'> = {},
): OpenTitan {
  return openTitan(
    {
      region: testAwsRegion,
      endpoint,
      invokedId: titanId,
      maxConcurrency: 16,
      microUsdPer1000Tokens: 20,
      requestTimeoutMs: 5_000,
      passageTimeoutMs: 30_000,
      ...config,
    },
    createMetrics(registry),
    quietTelemetry().log,
    { delays: { firstMs: 2, maxMs: 20 }, ...(circuit === undefined ? {} : { circuit }) },
  );
}
