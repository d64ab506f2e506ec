import { expect } from 'chai';
import { createAccessTokenVerifier, createCallerCheck, createPolicy, createServiceIdentity } from '@wardstone/access';
import { asPrincipal, createServiceClient, type Principal, type RunningServer, startServer } from '@wardstone/rpc';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { createTelemetry } from '@wardstone/telemetry';
import { eventually, testIdentities, type TestIdentities } from '@wardstone/testing';
import { createExtractiveAnswerer } from '../src/domain/extractive-answerer.ts';
import type { AnswerModel } from '../src/ports.ts';
import { routes } from '../src/rpc/routes.ts';
import { says } from './support/scripted-model.ts';
import { clinician, collect, createHarness, type Harness, reasonOf, untilAborted } from './support/harness.ts';

const question = 'Why was warfarin stopped?';

describe('Answer over sockets', () => {
  let harness: Harness;
  let identities: TestIdentities;
  let server: RunningServer;

  let modelStopped = false;
  /** Tells a little and then waits for the caller to go, for questions about nothing else. */
  const holding: AnswerModel['answer'] = async function* (_input, signal) {
    yield says('Warfarin was stopped.', [1, 'Warfarin was stopped because of bleeding.']);
    await untilAborted(signal).catch(() => {
      modelStopped = true;
    });
    signal.throwIfAborted();
  };
  const extractive = createExtractiveAnswerer();
  const model: AnswerModel = {
    ...extractive,
    answer: (input, signal) => (input.question === 'hold' ? holding(input, signal) : extractive.answer(input, signal)),
  };

  before(async () => {
    harness = createHarness(model);
    identities = await testIdentities(['gateway', 'ingestion']);
    server = await startServer({
      service: 'llm',
      telemetry: createTelemetry({ service: 'llm', version: '0', logLevel: 'silent' }),
      host: '127.0.0.1',
      port: 0,
      routes: routes(harness.deps),
      callerCheck: createCallerCheck({
        service: 'llm',
        serviceJwksFile: identities.jwksFile,
        verifyAccessToken: createAccessTokenVerifier({ issuer: 'http://127.0.0.1:9', audience: 'wardstone' }),
        policy: await createPolicy(),
      }),
      dependencies: {},
      reflection: false,
      drainTimeoutMs: 1_000,
    });
  });
  after(async () => {
    await server.close();
    await identities.drop();
  });

  const clientOf = async (service: string) => {
    const identity = await createServiceIdentity({ service, privateJwkFile: identities.keyFile(service) });
    const authorize = identity.authorize('llm');
    return createServiceClient(LlmService, { baseUrl: server.url, audience: 'llm', authorize });
  };
  const answerAs = async (service: string, principal: Principal, signal?: AbortSignal) =>
    collect((await clientOf(service)).answer({ question }, asPrincipal(principal, { signal })));

  it('streams an answer to the gateway for a clinician', async () => {
    const events = await answerAs('gateway', clinician);
    expect(events.map((event) => event.case)).to.deep.equal(['sources', 'delta', 'citation', 'usage', 'done']);
  });

  it('refuses a service that is not listed', async () => {
    expect(await reasonOf(answerAs('ingestion', clinician))).to.equal('CALLER_NOT_ACCEPTED');
  });

  for (const role of ['auditor', 'analyst', 'platform_admin']) {
    it(`refuses the role ${role}`, async () => {
      expect(await reasonOf(answerAs('gateway', { ...clinician, roles: [role] }))).to.equal('PERMISSION_DENIED');
    });
  }

  it('stops the model when the caller goes in the middle, who keeps what was sent', async () => {
    const seen: (string | undefined)[] = [];
    for await (const { event } of (await clientOf('gateway')).answer({ question: 'hold' }, asPrincipal(clinician))) {
      seen.push(event.case);
      if (event.case === 'delta') break;
    }
    expect(seen).to.deep.equal(['sources', 'delta']);
    await eventually(() => modelStopped);
  });

  it('stops the search when the caller hangs up', async () => {
    harness.scene.searchHolds = true;
    const asked = harness.asked.length;
    const caller = new AbortController();
    const answer = reasonOf(answerAs('gateway', clinician, caller.signal));
    await eventually(() => harness.asked.length > asked);
    caller.abort();
    expect(await answer).to.equal('CANCELLED');
    await eventually(() => harness.asked.at(-1)?.options?.signal?.aborted === true);
  });
});
