/** The service over sockets, with the models that its configuration installs, and a double of Bedrock behind them. */
import { createAccessTokenVerifier, createCallerCheck, createPolicy, createServiceIdentity } from '@wardstone/access';
import { readConfig } from '@wardstone/config';
import { asPrincipal, createServiceClient, type RunningServer, startServer } from '@wardstone/rpc';
import { type AnswerResponse, AnswerOutcome, LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import { eventually, testIdentities, type TestIdentities } from '@wardstone/testing';
import { testAwsRegion, useTestAwsCredentials } from '@wardstone/testing/aws';
import { type BedrockDouble, startBedrockDouble, textAnswer } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { z } from 'zod';
import { guardrailModelId } from '../src/domain/guardrail-units.ts';
import { type InstalledModels, installModels } from '../src/install-models.ts';
import { modelFields } from '../src/model-config.ts';
import { createModelMetrics } from '../src/model-metrics.ts';
import { routes } from '../src/rpc/routes.ts';
import { fast, lineOf, quality, rerankerCard } from './support/claude.ts';
import { clinician, collect, createHarness, documentId, type Harness, reasonOf } from './support/harness.ts';

const question = 'Why was warfarin stopped?';
const quote = 'Warfarin was stopped because of bleeding.';
/** A caller who leaves is noticed upstream within this time. */
const leaveMs = 1_000;

describe('Answer from Bedrock over sockets', () => {
  useTestAwsCredentials();
  let double: BedrockDouble;
  let identities: TestIdentities;
  let harness: Harness;
  let installed: InstalledModels;
  let server: RunningServer;
  let metrics: Registry;

  before(async () => {
    identities = await testIdentities(['gateway']);
  });
  after(() => identities.drop());

  beforeEach(async () => {
    double = await startBedrockDouble({ modelsWithoutSampling: [quality.id, fast.id] });
    metrics = new Registry();
    harness = createHarness();
    harness.scene.settings = { ...harness.scene.settings, rerank: true };
    const telemetry = createTelemetry({ service: 'llm', version: '0', logLevel: 'silent' });
    const config = readConfig(z.object(modelFields), {
      WARDSTONE_LLM_MODEL: 'bedrock',
      WARDSTONE_LLM_RERANK: 'bedrock',
      WARDSTONE_BEDROCK_REGION: testAwsRegion,
      WARDSTONE_BEDROCK_ENDPOINT: double.endpoint,
      WARDSTONE_BEDROCK_AGENT_ENDPOINT: double.endpoint,
      WARDSTONE_LLM_FALLBACKS: fast.id,
      WARDSTONE_LLM_GUARDRAIL_ID: 'gr-1',
      WARDSTONE_LLM_GUARDRAIL_VERSION: '3',
    });
    installed = installModels({ config, maxAnswers: 4, metrics: createModelMetrics(metrics), log: telemetry.log });
    const { models, reranker, dependencies } = installed;
    server = await startServer({
      service: 'llm',
      telemetry,
      host: '127.0.0.1',
      port: 0,
      routes: routes({ ...harness.deps, models, reranker }),
      callerCheck: createCallerCheck({
        service: 'llm',
        serviceJwksFile: identities.jwksFile,
        verifyAccessToken: createAccessTokenVerifier({ issuer: 'http://127.0.0.1:9', audience: 'wardstone' }),
        policy: await createPolicy(),
      }),
      dependencies,
      reflection: false,
      drainTimeoutMs: 1_000,
    });
  });
  afterEach(async () => {
    await server.close();
    await installed.close();
    await double.close();
  });

  const ask = async (
    options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
    request: { readonly model?: string } = {},
  ): Promise<AsyncIterable<AnswerResponse>> => {
    const identity = await createServiceIdentity({ service: 'gateway', privateJwkFile: identities.keyFile('gateway') });
    const authorize = identity.authorize('llm');
    const client = createServiceClient(LlmService, { baseUrl: server.url, audience: 'llm', authorize });
    return client.answer({ question, ...request }, asPrincipal(clinician, options));
  };
  const answers = () => double.calls.filter(({ operation }) => operation === 'ConverseStream');
  const countOf = async (name: string, labels: Record<string, string>): Promise<number> => {
    const metric = await metrics.getSingleMetric(name)?.get();
    const fits = metric?.values.filter((value) =>
      Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted),
    );
    return (fits ?? []).reduce((sum, { value }) => sum + value, 0);
  };

  it('streams statements with citations that were looked up, and what they cost', async () => {
    const invented = lineOf('He was given vitamin K.', 1, 'Vitamin K was given.');
    double.onConverse(() => textAnswer(lineOf('Warfarin was stopped because of bleeding.', 1, quote) + invented));
    const events = await collect(await ask());
    expect(events.map((event) => event.case)).to.deep.equal(['sources', 'delta', 'citation', 'usage', 'done']);
    const citation = events.find((event) => event.case === 'citation')?.value;
    expect(citation).to.deep.include({ documentId, quote });
    const usage = events.find((event) => event.case === 'usage')?.value;
    expect(Number(usage?.outputTokens)).to.be.greaterThan(0);
    expect(Number(usage?.costMicroUsd)).to.be.greaterThan(0);
    const done = events.find((event) => event.case === 'done')?.value;
    expect(done).to.deep.include({ outcome: AnswerOutcome.ANSWERED, statements: 2, supported: 1, withheld: 1 });
    expect(done?.promptVersion).to.equal('answer-1');
    expect(double.calls.map(({ operation, model }) => [operation, model])).to.deep.equal([
      ['Rerank', `arn:aws:bedrock:${testAwsRegion}::foundation-model/${rerankerCard.id}`],
      ['ConverseStream', quality.id],
    ]);
    expect(harness.counted.map(({ modelId }) => modelId)).to.have.members([
      quality.id,
      rerankerCard.id,
      guardrailModelId,
    ]);
    expect(await countOf('wardstone_llm_model_calls_total', { model: quality.label, outcome: 'ok' })).to.equal(1);
  });

  it('asks the model that the request names, and refuses one that has no card', async () => {
    double.onConverse(() => textAnswer('{"none":true}\n'));
    await collect(await ask({}, { model: 'fast' }));
    expect(answers().map(({ model }) => model)).to.deep.equal([fast.id]);
    expect(await reasonOf(ask({}, { model: 'anthropic.claude-other' }).then(collect))).to.equal('MODEL_NOT_ALLOWED');
    expect(answers()).to.have.length(1);
  });

  it('ends upstream within a second when its caller leaves in the middle, who pays for what was written', async () => {
    double.onConverse(() => textAnswer(lineOf('Warfarin was stopped because of bleeding.', 1, quote).repeat(2)));
    // The first word of the second line, but no more.
    const frames = textAnswer(lineOf('Warfarin was stopped because of bleeding.', 1, quote)).length;
    double.fault({ kind: 'stall-after', afterFrames: frames }, { operation: 'ConverseStream' });
    const caller = new AbortController();
    const seen: (string | undefined)[] = [];
    const left = reasonOf(
      (async () => {
        for await (const { event } of await ask({ signal: caller.signal })) {
          seen.push(event.case);
          // The last that comes: it may be read with the statement.
          if (event.case === 'citation') caller.abort();
        }
      })(),
    );
    expect(await left).to.equal('CANCELLED');
    await eventually(() => answers().every(({ aborted }) => aborted), { timeoutMs: leaveMs });
    expect(seen).to.deep.equal(['sources', 'delta', 'citation']);
    const counted = await eventually(() => harness.counted.find(({ modelId }) => modelId === quality.id));
    expect(counted.outputTokens).to.be.greaterThan(0);
  });

  it('ends upstream within a second when its caller leaves before the first token', async () => {
    double.fault({ kind: 'stall' }, { operation: 'ConverseStream' });
    const caller = new AbortController();
    const left = reasonOf(ask({ signal: caller.signal }).then(collect));
    await eventually(() => answers().length === 1);
    caller.abort();
    expect(await left).to.equal('CANCELLED');
    await eventually(() => answers().every(({ aborted }) => aborted), { timeoutMs: leaveMs });
    const counted = await eventually(() => harness.counted.find(({ modelId }) => modelId === quality.id));
    expect(counted.inputTokens).to.be.greaterThan(0);
  });

  it('does not let the model answer for longer than its caller waits', async () => {
    double.fault({ kind: 'stall' }, { operation: 'ConverseStream' });
    expect(await reasonOf(ask({ timeoutMs: 1_500 }).then(collect))).to.be.oneOf(['MODEL_TIMEOUT', 'DEADLINE_EXCEEDED']);
    await eventually(() => answers().length > 0 && answers().every(({ aborted }) => aborted));
  });

  it('breaks off with the reason when the model does; what was told stays', async () => {
    double.onConverse(() => textAnswer(lineOf('Warfarin was stopped because of bleeding.', 1, quote).repeat(2)));
    const afterFrames = textAnswer(lineOf('Warfarin was stopped because of bleeding.', 1, quote)).length;
    double.fault(
      { kind: 'exception-after', afterFrames, type: 'modelStreamErrorException' },
      { operation: 'ConverseStream' },
    );
    const seen: (string | undefined)[] = [];
    const reason = await reasonOf(
      (async () => {
        for await (const { event } of await ask()) seen.push(event.case);
      })(),
    );
    expect(reason).to.equal('MODEL_STREAM_BROKEN');
    expect(seen.slice(0, 2)).to.deep.equal(['sources', 'delta']);
    expect(harness.counted.map(({ modelId }) => modelId)).to.contain(quality.id);
  });

  it('goes on without the reranker while that is away, and with the other model while the first one is', async () => {
    double.fault({ kind: 'error', type: 'ServiceUnavailableException' }, { operation: 'Rerank' });
    double.fault({ kind: 'error', type: 'AccessDeniedException' }, { model: quality.id });
    double.onConverse(() => textAnswer(lineOf('Warfarin was stopped because of bleeding.', 1, quote)));
    const events = await collect(await ask());
    const done = events.at(-1);
    expect(done?.case === 'done' && done.value.modelId, 'says which one answered').to.equal(fast.id);
    const recorded = harness.events.map(({ action, attributes }) => [action, attributes?.['model']]);
    expect(recorded).to.deep.equal([
      ['answer.create', quality.id],
      ['answer.end', fast.id],
    ]);
    expect(answers().map(({ model }) => model)).to.deep.equal([quality.id, fast.id]);
    expect(await countOf('wardstone_llm_model_fallbacks_total', { model: fast.label })).to.equal(1);
    expect(await countOf('wardstone_llm_model_retries_total', { model: rerankerCard.label })).to.equal(2);
  });

  it('is ready, and answers others, while a tenant’s own guardrail is away', async () => {
    double.onConverse(() => textAnswer('{"none":true}\n'));
    double.fault({ kind: 'error', type: 'ServiceUnavailableException' }, { operation: 'ApplyGuardrail' });
    const checks = () => double.calls.filter(({ operation }) => operation === 'ApplyGuardrail').length;
    const { settings } = harness.scene;
    harness.scene.settings = { ...settings, guardrail: { id: 'gr-own', version: '1' } };
    const refused = async () => {
      const before = checks();
      expect(await reasonOf(ask().then(collect))).to.equal('MODEL_UNAVAILABLE');
      return checks() === before;
    };
    await eventually(refused, { timeoutMs: 30_000, description: 'it is asked no more' });
    expect((await fetch(`${server.url}/readyz`)).status).to.equal(200);
    expect(await countOf('wardstone_llm_model_circuit', {})).to.equal(0);
    expect(await countOf('wardstone_llm_model_retries_total', { model: quality.label })).to.equal(0);
    expect(await countOf('wardstone_llm_model_retries_total', { model: guardrailModelId })).to.be.greaterThan(0);
    harness.scene.settings = settings;
    expect(await reasonOf(ask().then(collect))).to.equal('none');
  }).timeout(60_000);

  it('is ready until every place that the best model may be asked at refuses', async () => {
    const ready = async () => (await fetch(`${server.url}/readyz`)).status;
    expect(await ready()).to.equal(200);
    double.fault({ kind: 'error', type: 'ServiceUnavailableException' });
    await eventually(
      async () => {
        await reasonOf(ask().then(collect));
        return (await ready()) === 503;
      },
      { timeoutMs: 15_000, description: 'both circuits are open' },
    );
    expect(await countOf('wardstone_llm_model_circuit', { model: quality.label })).to.equal(1);
    double.clearFaults();
    double.onConverse(() => textAnswer('{"none":true}\n'));
    // Nobody has to ask for it to be ready again: the next attempt is due.
    await eventually(async () => (await ready()) === 200, { timeoutMs: 15_000 });
    await eventually(async () => (await reasonOf(ask().then(collect))) === 'none', { timeoutMs: 15_000 });
  }).timeout(60_000);
});
