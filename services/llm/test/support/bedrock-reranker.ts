/** The reranker of Bedrock over a double of it. */
import type { BedrockAgentRuntimeClient } from '@aws-sdk/client-bedrock-agent-runtime';
import { createBedrockAgentRuntime, createModelGuard } from '@wardstone/aws/bedrock';
import { useTestAwsCredentials } from '@wardstone/testing/aws';
import { type BedrockDouble, startBedrockDouble } from '@wardstone/testing/bedrock';
import { type BedrockRerankerOptions, createBedrockReranker } from '../../src/adapters/bedrock-reranker.ts';
import type { Reranker } from '../../src/ports.ts';
import { longMs, rerankerCard } from './claude.ts';

export interface RerankerSuite {
  double: BedrockDouble;
  client: BedrockAgentRuntimeClient;
  /** What metrics were told, as words. */
  told: string[];
  reranker(options?: Partial<BedrockRerankerOptions>): Reranker;
}

/** A double for each test of a suite; it ranks by the share of the question's words. */
export function useBedrockReranker(): Readonly<RerankerSuite> {
  useTestAwsCredentials();
  const suite = {} as RerankerSuite;
  suite.reranker = (own = {}) =>
    createBedrockReranker({
      card: rerankerCard,
      region: suite.double.region,
      client: suite.client,
      guard: createModelGuard({ delays: { firstMs: 1, maxMs: 2 } }),
      timeoutMs: longMs,
      metrics: { called: ({ model }, operation, outcome) => suite.told.push(`${operation} ${model} ${outcome}`) },
      ...own,
    });
  beforeEach(async () => {
    suite.double = await startBedrockDouble();
    const { endpoint, region } = suite.double;
    suite.client = createBedrockAgentRuntime({
      region,
      endpoint,
      requestTimeoutMs: longMs,
      userAgent: 'wardstone-test',
    });
    suite.told = [];
  });
  afterEach(async () => {
    suite.client.destroy();
    await suite.double.close();
  });
  return suite;
}
