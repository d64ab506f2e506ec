import { AppError } from '@wardstone/rpc';
import { StatementSupport } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import OpenAI, { type APIError } from 'openai';
import { enableCompletions } from './support/in-test-kept.ts';
import { failing } from './support/in-test-services.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What does he take?' },
  { role: 'assistant', content: 'Aspirin.' },
  { role: 'user', content: 'And how much of it?' },
] as const satisfies OpenAI.ChatCompletionMessageParam[];
const asked = { model: 'fast', messages: [...messages] };
const answer = 'Aspirin 100 mg. Every 8 hours.';
const usage = { prompt_tokens: 1600, completion_tokens: 20, total_tokens: 1620 };

/** What the gateway serves, as OpenAI's own client for Node reads it. */
describe("OpenAI's client", () => {
  let world: World;
  let client: OpenAI;
  const clientOf = (url: string, apiKey: string) =>
    new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, organization: null, project: null, logLevel: 'off' });
  const signedIn = async ({ url, bearer }: World) =>
    clientOf(url, (await bearer({ roles: ['builder'] })).authorization.replace('Bearer ', ''));
  before(async () => {
    world = await startWorld();
    enableCompletions(world.state.kept, tenantA);
    client = await signedIn(world);
  });
  after(() => world.close());
  beforeEach(() => {
    delete world.state.instead.answer;
    world.state.questions.length = 0;
  });

  it('lists the models, and reads each of them by its id', async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).to.deep.equal(['quality', 'fast', 'in-test', 'us.maker/of:models-1']);
    for (const id of ids) {
      expect(await client.models.retrieve(id)).to.deep.include({ id, object: 'model', owned_by: 'wardstone' });
    }
  });

  it('completes a chat, and what was said before is told', async () => {
    const completion = await client.chat.completions.create(asked);
    expect(completion.choices[0]?.message).to.include({ role: 'assistant', content: answer });
    expect(completion.choices[0]?.finish_reason).to.equal('stop');
    expect(completion.usage).to.include(usage);
    expect(completion).to.have.nested.property('wardstone.citations[0].quote', 'Aspirin 100 mg');
    const [question] = world.state.questions;
    expect(question).to.include({ question: 'And how much of it?', model: 'fast', conversationId: '' });
    expect(question?.history).to.have.length(1);
    expect(question?.history[0]).to.include({ question: 'What does he take?', answer: 'Aspirin.' });
  });

  it('reads a stream chunk by chunk, with what was used', async () => {
    const stream = await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).to.equal(answer);
    expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).to.deep.equal(['stop']);
    expect(chunks.at(-1)?.choices).to.deep.equal([]);
    expect(chunks.at(-1)?.usage).to.include(usage);
    expect(chunks.at(-2)).to.have.nested.property('wardstone.outcome', 'ANSWERED');
  });

  it('puts a stream together by itself', async () => {
    const stream = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
    const pieces: string[] = [];
    stream.on('content', (piece) => pieces.push(piece));
    const completion = await stream.finalChatCompletion();
    expect(pieces.join('')).to.equal(answer);
    expect(completion.choices[0]?.message.content).to.equal(answer);
    expect(completion.usage).to.include(usage);
  });

  it('goes on with its own answer, as chats do', async () => {
    const first = await client.chat.completions.create({ model: 'fast', messages: [messages[1]] });
    const said = first.choices[0]?.message;
    if (said === undefined) throw new Error('nothing was said');
    await client.chat.completions.create({ model: 'fast', messages: [messages[1], said, messages[3]] });
    expect(world.state.questions.at(-1)?.history[0]).to.include({ question: messages[1].content, answer });
  });

  it('knows errors by their status, and tells what was wrong', async () => {
    const stranger = clientOf(world.url, 'sk-guess');
    await refused(stranger.chat.completions.create(asked), OpenAI.AuthenticationError, 'TOKEN_INVALID');
    await refused(client.models.retrieve('gpt-4o'), OpenAI.NotFoundError, 'MODEL_UNKNOWN');
    const two = client.chat.completions.create({ ...asked, n: 2 });
    const { param } = await refused(two, OpenAI.BadRequestError, 'INVALID_ARGUMENT', /n is more than 1/);
    expect(param).to.equal('n');
    world.state.instead.answer = failing('MODEL_NOT_ALLOWED');
    await refused(client.chat.completions.create(asked), OpenAI.NotFoundError, 'MODEL_UNKNOWN');
    world.state.instead.answer = failing('BUDGET_EXCEEDED');
    for (const stream of [false, true]) {
      const answering = client.chat.completions.create({ ...asked, stream });
      const { headers, requestID } = await refused(answering, OpenAI.RateLimitError, 'BUDGET_EXCEEDED');
      expect(requestID).to.equal(headers?.get('x-request-id'));
    }
    world.state.instead.answer = failing('MODEL_UNAVAILABLE');
    await refused(client.chat.completions.create(asked), OpenAI.InternalServerError, 'MODEL_UNAVAILABLE');
  });

  it('sends no header from a browser of a configured origin that is not allowed', async () => {
    const origin = 'https://tools.example';
    const open = await startWorld({ deps: { corsOrigins: [origin] } });
    try {
      enableCompletions(open.state.kept, tenantA);
      const apiKey = (await open.bearer({ roles: ['builder'] })).authorization.replace('Bearer ', '');
      const sent = new Set<string>();
      const browser = clientOf(open.url, apiKey).withOptions({
        fetch: async (url, init) => {
          for (const name of new Headers(init?.headers).keys()) sent.add(name);
          return fetch(url, init);
        },
      });
      await browser.chat.completions.create(asked);
      const stream = browser.chat.completions.stream(asked);
      await stream.finalChatCompletion();
      const preflight = await fetch(`${open.url}/v1/chat/completions`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
      const allowed = preflight.headers.get('access-control-allow-headers')?.toLowerCase().split(', ');
      // Those that the Fetch standard lets through, and one that a browser sets itself.
      const always = ['accept', 'user-agent'];
      expect([...(allowed ?? []), ...always]).to.include.members([...sent]);
      expect([...sent].filter((name) => name.startsWith('x-stainless-'))).not.to.deep.equal([]);
    } finally {
      await open.close();
    }
  });

  it('is told that the form is off, and that it asks too often', async () => {
    const strict = await startWorld({ rateLimits: { maxRequests: 1 } });
    try {
      const eager = await signedIn(strict);
      await refused(eager.chat.completions.create(asked), OpenAI.PermissionDeniedError, 'COMPLETIONS_DISABLED');
      const { headers } = await refused(eager.chat.completions.create(asked), OpenAI.RateLimitError, 'RATE_LIMITED');
      expect(Number(headers?.get('retry-after'))).to.be.at.least(1);
    } finally {
      await strict.close();
    }
  });

  it('asks again by itself when the model is away for a moment', async () => {
    let attempts = 0;
    world.state.instead.answer = async function* () {
      attempts += 1;
      if (attempts === 1) throw new AppError('MODEL_UNAVAILABLE');
      await Promise.resolve();
      yield { event: { case: 'done', value: { modelId: 'in-test', outcome: 1 } } };
    };
    await client.chat.completions.create(asked, { maxRetries: 1 });
    expect(attempts).to.equal(2);
  });

  it('throws when a stream breaks off', async () => {
    world.state.instead.answer = async function* () {
      const value = { text: 'Aspirin 100 mg.', answerEnd: 15, support: StatementSupport.SUPPORTED };
      yield { event: { case: 'delta', value } };
      await Promise.reject(new AppError('MODEL_STREAM_BROKEN'));
    };
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    let content = '';
    const reading = (async () => {
      for await (const { choices } of stream) content += choices[0]?.delta.content ?? '';
    })();
    await refused(reading, OpenAI.APIError, 'MODEL_STREAM_BROKEN', /The answer of the model broke off\./);
    expect(content).to.equal('Aspirin 100 mg.');
  });

  it('stops the work when it leaves, in both forms', async () => {
    for (const streamed of [true, false]) {
      let [started, stopped] = [false, false];
      world.state.instead.answer = async function* (_request, context) {
        yield { event: { case: 'sources', value: { sources: [] } } };
        started = true;
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
        stopped = true;
      };
      const leaving = new AbortController();
      const asking = (async () => {
        const options = { signal: leaving.signal };
        if (!streamed) await client.chat.completions.create(asked, options);
        // A stream that is left ends without an error, as the client has it.
        else for await (const _ of await client.chat.completions.create({ ...asked, stream: true }, options));
      })();
      await eventually(() => started);
      leaving.abort();
      const failure = await asking.catch((error: unknown) => error);
      if (!streamed) expect(failure).to.be.instanceOf(OpenAI.APIUserAbortError);
      await eventually(() => stopped, { description: `the work to stop (stream: ${String(streamed)})` });
    }
  });
});

/** The error of a call that is to fail so: of its class, with the reason as its code, and in words. */
async function refused(
  call: Promise<unknown>,
  kind: new (...args: never[]) => APIError,
  code: string,
  words = /\d{3} \w+.*\./,
): Promise<APIError> {
  const error: unknown = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof kind)) throw new Error(`no ${kind.name}: ${String(error)}`);
  expect(error.code).to.equal(code);
  expect(error.type).to.equal(`urn:wardstone:problem:${code}`);
  expect(error.message).to.match(words).and.not.contain('no body');
  return error;
}
