/** A double and our own clients to it, for each test of a suite. */
import type { BedrockAgentRuntimeClient } from '@aws-sdk/client-bedrock-agent-runtime';
import type { BedrockRuntimeClient, ConverseStreamCommandInput } from '@aws-sdk/client-bedrock-runtime';
import { AppError } from '@wardstone/rpc';
import { testAwsRegion as region, useTestAwsCredentials } from '@wardstone/testing/aws';
import { startBedrockDouble, type BedrockDouble, type BedrockDoubleOptions } from '@wardstone/testing/bedrock';
import { createBedrockAgentRuntime, createBedrockRuntime, type BedrockClientOptions } from '../src/bedrock/index.ts';

export const titan = 'amazon.titan-embed-text-v2:0';
export const claude = 'us.anthropic.claude-sonnet-5-5';
export const question: ConverseStreamCommandInput = {
  modelId: claude,
  messages: [{ role: 'user', content: [{ text: 'How often?' }] }],
};
/** Far beyond what any test takes. */
export const longMs = 60_000;

export interface BedrockSuite {
  double: BedrockDouble;
  runtime: BedrockRuntimeClient;
  agents: BedrockAgentRuntimeClient;
}

export function useBedrock(
  client: Partial<BedrockClientOptions> = {},
  double: BedrockDoubleOptions = {},
): Readonly<BedrockSuite> {
  useTestAwsCredentials();
  const suite = {} as BedrockSuite;
  beforeEach(async () => {
    suite.double = await startBedrockDouble(double);
    const { endpoint } = suite.double;
    const options = { region, endpoint, requestTimeoutMs: longMs, userAgent: 'wardstone-test', ...client };
    suite.runtime = createBedrockRuntime(options);
    suite.agents = createBedrockAgentRuntime(options);
  });
  afterEach(async () => {
    suite.runtime.destroy();
    suite.agents.destroy();
    await suite.double.close();
  });
  return suite;
}

/** The AppError that a promise is rejected with. */
export async function refusalOf(work: Promise<unknown>): Promise<AppError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it was not rejected');
}
