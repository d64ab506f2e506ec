/** The three ways in which the same answer is asked for. */
import { BedrockRuntimeClient, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { createServiceIdentity } from '@wardstone/access';
import type { Platform } from '@wardstone/local/platform/platform';
import { serviceKeyFile } from '@wardstone/local/platform/service-keys';
import { asPrincipal, createServiceClient, type Principal } from '@wardstone/rpc';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { answerLengths, type AnswerLength, questionFor, sourceTexts } from './material.ts';
import { type AnswerStack, credentials, region } from './stack.ts';

/** What one answer took. */
export interface Took {
  /** Until the first of its text was there. */
  readonly firstMs: number;
  /** Until its end. */
  readonly wholeMs: number;
  /** That the model wrote. */
  readonly tokens: number;
}

/** Asks once, and reads to the end. Thrown: Error when the answer is not whole. */
export type Ask = (length: AnswerLength) => Promise<Took>;

export interface Askers {
  readonly llm: Ask;
  readonly gateway: Ask;
  readonly bare: Ask;
}

const model = 'fast';
/** What the cards call so. */
const modelId = 'us.anthropic.claude-haiku-5-5';
/** As long as the service's own, which bare callers need as well. */
const system = 'Answer from the excerpts alone, in lines of JSON. '.repeat(80);

export async function createAskers(
  running: Platform,
  { llmUrl, gatewayUrl, bedrockUrl }: AnswerStack,
  closing: (() => Promise<unknown>)[],
): Promise<Askers> {
  const client = new BedrockRuntimeClient({ region, endpoint: bedrockUrl, credentials });
  closing.push(() => Promise.resolve(client.destroy()));
  return {
    llm: await askLlm(running, llmUrl),
    gateway: await askGateway(running, gatewayUrl),
    bare: (length) => askBedrock(client, length),
  };
}

async function askLlm(running: Platform, baseUrl: string): Promise<Ask> {
  const user = someone(running);
  const principal: Principal = { ...user, kind: 'user', roles: ['clinician'] };
  const privateJwkFile = serviceKeyFile(running.layout.keysDir, 'gateway');
  const identity = await createServiceIdentity({ service: 'gateway', privateJwkFile });
  const authorize = identity.authorize('llm');
  const client = createServiceClient(LlmService, { baseUrl, audience: 'llm', authorize });
  return (length) =>
    timed(length, async (first) => {
      let [tokens, supported] = [0, 0];
      for await (const { event } of client.answer({ question: questionFor(length), model }, asPrincipal(principal))) {
        if (event.case === 'delta') first();
        if (event.case === 'usage') tokens = Number(event.value.outputTokens);
        if (event.case === 'done') ({ supported } = event.value);
      }
      return { tokens, supported };
    });
}

/** Over server-sent events, read no further than the figures need. */
async function askGateway(running: Platform, baseUrl: string): Promise<Ask> {
  const token = await running.token(someone(running).username);
  const headers = {
    ...{ authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    'content-type': 'application/json',
  };
  return (length) =>
    timed(length, async (first) => {
      const body = JSON.stringify({ question: questionFor(length), model });
      const response = await fetch(`${baseUrl}/v1/answers`, { method: 'POST', headers, body });
      if (!response.ok || response.body === null) throw new Error(`the gateway answered ${String(response.status)}`);
      const decoder = new TextDecoder();
      let text = '';
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        text += decoder.decode(chunk, { stream: true });
        if (text.includes('event: delta\n')) first();
      }
      return {
        tokens: Number(/"outputTokens":(\d+)/.exec(text)?.[1]),
        supported: Number(/"supported":(\d+)/.exec(text)?.[1]),
      };
    });
}

/** As the SDK's own examples do it, with the same question and the same excerpts. */
async function askBedrock(client: BedrockRuntimeClient, length: AnswerLength): Promise<Took> {
  const text = [...sourceTexts(), questionFor(length)].join('\n\n');
  return timed(length, async (first) => {
    const { stream = [] } = await client.send(
      new ConverseStreamCommand({
        modelId,
        system: [{ text: system }],
        messages: [{ role: 'user', content: [{ text }] }],
        inferenceConfig: { maxTokens: 16_000 },
      }),
    );
    let [tokens, written] = [0, ''];
    for await (const { contentBlockDelta, metadata } of stream) {
      if (contentBlockDelta) first();
      written += contentBlockDelta?.delta?.text ?? '';
      tokens = metadata?.usage?.outputTokens ?? tokens;
    }
    return { tokens, supported: written.split('\n').length - 1 };
  });
}

async function timed(
  length: AnswerLength,
  ask: (first: () => void) => Promise<{ readonly tokens: number; readonly supported: number }>,
): Promise<Took> {
  const startedAt = performance.now();
  let firstAt: number | undefined;
  const { tokens, supported } = await ask(() => (firstAt ??= performance.now()));
  const endedAt = performance.now();
  const { lines } = answerLengths[length];
  if (firstAt === undefined || supported !== lines || !(tokens > 0)) {
    throw new Error(`an answer had ${String(supported)} lines that hold instead of ${String(lines)}`);
  }
  return { firstMs: firstAt - startedAt, wholeMs: endedAt - startedAt, tokens };
}

function someone({ accounts }: Platform): { readonly subject: string; readonly tenantId: string; username: string } {
  const user = accounts.users.find(({ tenantId, roles }) => tenantId !== undefined && roles.includes('clinician'));
  if (user?.tenantId === undefined) throw new Error('the platform has no clinician');
  return { subject: user.subject, tenantId: user.tenantId, username: user.username };
}
