/** The SDK's own clients, as they come, against the double; and a suite's double with them. */
import { BedrockAgentRuntimeClient, RerankCommand } from '@aws-sdk/client-bedrock-agent-runtime';
import {
  ApplyGuardrailCommand,
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  type ConverseStreamCommandInput,
  type ConverseStreamOutput,
} from '@aws-sdk/client-bedrock-runtime';
import { testAwsRegion as region, useTestAwsCredentials } from '../src/aws.ts';
import {
  startBedrockDouble,
  type BedrockDouble,
  type BedrockDoubleOptions,
  type BedrockOperation,
} from '../src/bedrock/index.ts';

export const titan = 'amazon.titan-embed-text-v2:0';
export const claude = 'us.anthropic.claude-sonnet-5-5';
export const reranker = `arn:aws:bedrock:${region}::foundation-model/cohere.rerank-v3-5:0`;

export interface Clients {
  readonly runtime: BedrockRuntimeClient;
  readonly agents: BedrockAgentRuntimeClient;
}

/** A double and clients of one attempt for each test. */
export function useDouble(options: BedrockDoubleOptions = {}): Clients & { readonly double: BedrockDouble } {
  useTestAwsCredentials();
  const suite = {} as { -readonly [Name in keyof Clients]: Clients[Name] } & { double: BedrockDouble };
  beforeEach(async () => {
    suite.double = await startBedrockDouble(options);
    const settings = { region, endpoint: suite.double.endpoint, maxAttempts: 1 };
    suite.runtime = new BedrockRuntimeClient(settings);
    suite.agents = new BedrockAgentRuntimeClient(settings);
  });
  afterEach(async () => {
    suite.runtime.destroy();
    suite.agents.destroy();
    await suite.double.close();
  });
  return suite;
}

export interface Embedded {
  readonly embedding: number[];
  readonly embeddingsByType: Readonly<Record<string, number[]>>;
  readonly inputTextTokenCount: number;
}

export async function embed(
  { runtime }: Clients,
  inputText: string,
  more: object = {},
  abortSignal?: AbortSignal,
): Promise<Embedded> {
  const body = JSON.stringify({ inputText, ...more });
  const answer = await runtime.send(new InvokeModelCommand({ modelId: titan, body }), optional(abortSignal));
  return JSON.parse(answer.body.transformToString()) as Embedded;
}

export function asking(text: string, more: Partial<ConverseStreamCommandInput> = {}): ConverseStreamCommandInput {
  return { modelId: claude, messages: [{ role: 'user', content: [{ text }] }], ...more };
}

/** Every event, each given to `look` when it comes. Thrown: what the SDK throws, before the stream or in it. */
export async function stream(
  { runtime }: Clients,
  input: ConverseStreamCommandInput,
  { look, signal }: { look?: (event: ConverseStreamOutput) => void; signal?: AbortSignal | undefined } = {},
): Promise<ConverseStreamOutput[]> {
  const answer = await runtime.send(new ConverseStreamCommand(input), optional(signal));
  const events: ConverseStreamOutput[] = [];
  for await (const event of answer.stream ?? []) {
    events.push(event);
    look?.(event);
  }
  return events;
}

export function textOf(events: readonly ConverseStreamOutput[]): string {
  return events.map((event) => event.contentBlockDelta?.delta?.text ?? '').join('');
}

export function rankingOf(query: string, texts: readonly string[], numberOfResults = texts.length): RerankCommand {
  return new RerankCommand({
    queries: [{ type: 'TEXT', textQuery: { text: query } }],
    sources: texts.map((text) => ({
      type: 'INLINE',
      inlineDocumentSource: { type: 'TEXT', textDocument: { text } },
    })),
    rerankingConfiguration: {
      type: 'BEDROCK_RERANKING_MODEL',
      bedrockRerankingConfiguration: { modelConfiguration: { modelArn: reranker }, numberOfResults },
    },
  });
}

export function guarding(text: string): ApplyGuardrailCommand {
  return new ApplyGuardrailCommand({
    guardrailIdentifier: 'gr1',
    guardrailVersion: '7',
    source: 'INPUT',
    content: [{ text: { text } }],
  });
}

/** One call of every operation. */
export const everyOperation: readonly [
  BedrockOperation,
  (clients: Clients, signal?: AbortSignal) => Promise<unknown>,
][] = [
  ['InvokeModel', (clients, signal) => embed(clients, 'knee', {}, signal)],
  ['Converse', ({ runtime }, signal) => runtime.send(new ConverseCommand(asking('knee')), optional(signal))],
  ['ConverseStream', (clients, signal) => stream(clients, asking('knee'), { signal })],
  ['Rerank', ({ agents }, signal) => agents.send(rankingOf('knee', ['knee']), optional(signal))],
  ['ApplyGuardrail', ({ runtime }, signal) => runtime.send(guarding('knee'), optional(signal))],
];

function optional(abortSignal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return abortSignal === undefined ? {} : { abortSignal };
}

/** What a promise is rejected with. */
export async function failureOf(
  work: Promise<unknown>,
): Promise<Error & { readonly $metadata?: { httpStatusCode?: number } }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it was not rejected with an error');
}
