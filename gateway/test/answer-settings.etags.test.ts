import { CitationPolicy } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { expect } from 'chai';
import { expectProblem } from './support/http.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

const wanted = {
  model: 'fast',
  citationPolicy: 'REFUSE',
  completionsEnabled: true,
  monthlyBudgetUsd: 12.000001,
  rerank: true,
  guardrail: { guardrailId: 'gr123', version: '7' },
};

describe('answer settings and usage', () => {
  let world: World;
  let admin: { authorization: string };
  before(async () => {
    world = await startWorld();
    admin = await world.bearer({ roles: ['tenant_admin'] });
  });
  after(() => world.close());
  beforeEach(() => world.state.kept.settings.clear());

  const get = (headers = admin) => fetch(`${world.url}/v1/answer-settings`, { headers });
  const put = (body: object, headers: Record<string, string> = {}) =>
    fetch(`${world.url}/v1/answer-settings`, {
      method: 'PUT',
      headers: { ...admin, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  it('are shown with their defaults and an etag', async () => {
    const response = await get();
    expect([response.status, response.headers.get('etag')]).to.deep.equal([200, '"0"']);
    expect(await response.json()).to.deep.equal({
      model: 'quality',
      citationPolicy: 'DROP',
      completionsEnabled: false,
      monthlyBudgetUsd: 0,
      rerank: false,
      guardrail: null,
      etag: '0',
      updatedAt: null,
    });
  });

  it('are replaced as a whole, money to the millionth of a dollar', async () => {
    const response = await put(wanted, { 'if-match': '"0"' });
    expect([response.status, response.headers.get('etag')]).to.deep.equal([200, '"1"']);
    const shown = { ...wanted, etag: '1', updatedAt: '2026-11-22T09:00:00.000Z' };
    expect(await response.json()).to.deep.equal(shown);
    expect(await (await get()).json()).to.deep.equal(shown);
    const stored = world.state.kept.settings.get(tenantA);
    expect(stored).to.include({ citationPolicy: CitationPolicy.REFUSE, monthlyBudgetMicroUsd: 12_000_001n });
    const less = await put({ model: 'quality', citationPolicy: 'MARK' });
    expect(await less.json()).to.deep.include({
      completionsEnabled: false,
      monthlyBudgetUsd: 0,
      rerank: false,
      guardrail: null,
    });
  });

  it('are refused when they have changed since, also by a weak etag', async () => {
    await put(wanted);
    await expectProblem(await put(wanted, { 'if-match': '"0"' }), 412, 'SETTINGS_CHANGED');
    await expectProblem(await put(wanted, { 'if-match': 'W/"1"' }), 412, 'SETTINGS_CHANGED');
    await expectProblem(await put(wanted, { 'if-match': 'x' }), 400, 'INVALID_ARGUMENT');
    expect((await put(wanted, { 'if-match': '*' })).status).to.equal(200);
  });

  it('take only what can be', async () => {
    await expectProblem(await put({ ...wanted, model: 'not-here' }), 400, 'MODEL_NOT_ALLOWED');
    await expectProblem(await put({ ...wanted, etag: '0' }), 400, 'UNKNOWN_FIELD');
    for (const change of [
      { model: '' },
      { model: 'a model' },
      { citationPolicy: 'UNSPECIFIED' },
      { monthlyBudgetUsd: -1 },
      { monthlyBudgetUsd: 1_000_000_001 },
      { guardrail: { guardrailId: 'gr123' } },
      { guardrail: { guardrailId: '../x', version: '1' } },
      { completionsEnabled: 'yes' },
    ]) {
      await expectProblem(await put({ ...wanted, ...change }), 400, 'INVALID_ARGUMENT');
    }
    expect(world.state.kept.settings.size).to.equal(0);
  });

  it('are changed by administrators alone, and read by who has to know', async () => {
    for (const role of ['clinician', 'builder', 'auditor']) {
      await expectProblem(await put(wanted, await world.bearer({ roles: [role] })), 403, 'PERMISSION_DENIED');
    }
    for (const role of ['builder', 'clinician']) {
      expect((await get(await world.bearer({ roles: [role] }))).status, role).to.equal(200);
    }
    await expectProblem(await get(await world.bearer({ roles: ['analyst'] })), 403, 'PERMISSION_DENIED');
  });

  it('show what a month used, tokens as numbers and money in dollars', async () => {
    await put(wanted);
    const response = await fetch(`${world.url}/v1/usage?month=2026-11`, { headers: admin });
    expect(await response.json()).to.deep.equal({
      month: '2026-11',
      models: [
        {
          modelId: 'in-test',
          answers: 3,
          inputTokens: 4_000_000_000,
          outputTokens: 2,
          cacheReadTokens: 0,
          cacheWriteTokens: 0,
          costUsd: 12.345678,
        },
      ],
      costUsd: 12.345678,
      reservedUsd: 0.000001,
      monthlyBudgetUsd: 12.000001,
    });
    await fetch(`${world.url}/v1/usage`, { headers: admin });
    expect(world.state.kept.months).to.deep.equal(['2026-11', '']);
    for (const month of ['2026-13', '2026', 'now']) {
      const refused = await fetch(`${world.url}/v1/usage?month=${month}`, { headers: admin });
      await expectProblem(refused, 400, 'INVALID_ARGUMENT');
    }
    const clinician = await fetch(`${world.url}/v1/usage`, { headers: await world.bearer() });
    await expectProblem(clinician, 403, 'PERMISSION_DENIED');
  });
});
