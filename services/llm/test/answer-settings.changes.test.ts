import { expect } from 'chai';
import {
  AnswerSettingsSchema,
  CitationPolicy,
  type AnswerSettings,
} from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createSettingsSource, settingsMaxAgeMs } from '../src/adapters/answer-settings.ts';
import { asRetrieved } from '../src/domain/as-retrieved.ts';
import { defaultSettings } from '../src/domain/answer-settings.ts';
import { createExtractiveAnswerer } from '../src/domain/extractive-answerer.ts';
import type { Reranker } from '../src/ports.ts';
import { collect, reasonOf } from './support/harness.ts';
import { as, newTenant, openStore, someone, type StoreHarness } from './support/store.ts';

type NewSettings = MessageInitShape<typeof AnswerSettingsSchema>;

const wanted: NewSettings = {
  model: 'fast',
  citationPolicy: CitationPolicy.REFUSE,
  completionsEnabled: true,
  monthlyBudgetMicroUsd: 12_500_000n,
  rerank: true,
  guardrail: { guardrailId: 'gr123', version: 'DRAFT' },
};

describe('answer settings', () => {
  let store: StoreHarness;
  let tenantId: string;
  let reranked = 0;
  const reranker: Reranker = {
    ...asRetrieved,
    candidates: (topK) => 2 * topK,
    rerank: (question, sources, topK, signal) => {
      reranked += 1;
      return asRetrieved.rerank(question, sources, topK, signal);
    },
  };
  before(async function () {
    this.timeout(60_000);
    const model = { ...createExtractiveAnswerer(), takesGuardrail: true };
    store = await openStore({ reranker, model });
  });
  after(() => store.close());
  beforeEach(() => {
    tenantId = newTenant();
    store.events.length = 0;
    store.faults.audit = false;
  });

  const admin = { subject: 'admin-1', roles: ['tenant_admin'] };
  const get = async (tenant = tenantId): Promise<AnswerSettings | undefined> =>
    (await store.settings.getAnswerSettings({}, as(tenant, admin))).settings;
  const update = async (settings: NewSettings, etag = '', tenant = tenantId) =>
    (await store.settings.updateAnswerSettings({ settings, etag }, as(tenant, admin))).settings;

  it('are the installation’s defaults until somebody sets them', async () => {
    const settings = await get();
    expect(settings).to.deep.equal(
      create(AnswerSettingsSchema, { model: 'quality', citationPolicy: CitationPolicy.DROP, etag: '0' }),
    );
  });

  it('are replaced as a whole, of the caller’s tenant alone', async () => {
    const updated = await update(wanted);
    expect(updated).to.deep.include({ ...wanted, guardrail: updated?.guardrail, etag: '1' });
    expect(updated?.guardrail).to.include(wanted.guardrail);
    expect(updated?.updatedAt).not.to.equal(undefined);
    expect(await get()).to.deep.equal(updated);
    const back = await update({ model: 'quality', citationPolicy: CitationPolicy.MARK });
    expect(back).to.deep.include({ completionsEnabled: false, monthlyBudgetMicroUsd: 0n, rerank: false, etag: '2' });
    expect(back?.guardrail).to.equal(undefined);
    expect((await get(newTenant()))?.etag).to.equal('0');
  });

  it('are changed only in place of those that were read, when an etag is named', async () => {
    expect(await reasonOf(update(wanted, '1'))).to.equal('SETTINGS_CHANGED');
    expect((await update(wanted, '0'))?.etag).to.equal('1');
    for (const etag of ['0', '2', 'nonsense', '01']) {
      expect(await reasonOf(update(wanted, etag)), etag).to.equal('SETTINGS_CHANGED');
    }
    const outcomes = await Promise.all([1, 2, 3].map(() => reasonOf(update(wanted, '1'))));
    expect(outcomes.sort()).to.deep.equal(['SETTINGS_CHANGED', 'SETTINGS_CHANGED', 'none']);
  });

  it('take no other model than those that may be used here', async () => {
    expect(await reasonOf(update({ ...wanted, model: 'somebody-elses-model' }))).to.equal('MODEL_NOT_ALLOWED');
    expect((await update({ ...wanted, model: 'wardstone-extractive-1' }))?.model).to.equal('wardstone-extractive-1');
  });

  for (const [what, change] of [
    ['no policy', { citationPolicy: CitationPolicy.UNSPECIFIED }],
    ['a budget below nothing', { monthlyBudgetMicroUsd: -1n }],
    ['a budget beyond a billion dollars', { monthlyBudgetMicroUsd: 1_000_000_000_000_001n }],
    ['a guardrail without a version', { guardrail: { guardrailId: 'gr123' } }],
    ['a guardrail that is none', { guardrail: { guardrailId: 'not a guardrail', version: '1' } }],
    ['no model', { model: '' }],
  ] as const) {
    it(`refuse ${what}`, async () => {
      expect(await reasonOf(update({ ...wanted, ...change }))).to.equal('INVALID_ARGUMENT');
    });
  }

  it('leave what was decided in the audit log, and are not changed without it', async () => {
    await update(wanted);
    await reasonOf(update(wanted, '7'));
    expect(store.events.map(({ action, outcome, reason }) => [action, outcome, reason])).to.deep.equal([
      ['answer-settings.update', 'success', undefined],
      ['answer-settings.update', 'failure', 'SETTINGS_CHANGED'],
    ]);
    expect(store.events[0]?.attributes).to.deep.equal({
      model: 'fast',
      citation_policy: 'refuse',
      completions_enabled: 'true',
      monthly_budget_micro_usd: '12500000',
      rerank: 'true',
      guardrail: 'gr123/DRAFT',
    });
    store.faults.audit = true;
    expect(await reasonOf(update({ ...wanted, model: 'quality' }))).to.equal('AUDIT_UNAVAILABLE');
    expect((await get())?.model).to.equal('fast');
  });

  it('are recorded before they change, with nothing locked meanwhile; what comes between is told as well', async () => {
    const quicker = { ...wanted, model: 'quality' };
    store.faults.onRecord = async () => {
      store.faults.onRecord = undefined;
      expect((await get())?.etag).to.equal('0');
      await update(quicker);
    };
    expect(await reasonOf(update(wanted, '0'))).to.equal('SETTINGS_CHANGED');
    expect((await get())?.model).to.equal('quality');
    expect(store.recordedInTransaction).to.deep.equal([]);
    expect(
      store.events.map(({ outcome, reason, attributes }) => [outcome, reason, attributes?.['model']]),
    ).to.deep.equal([
      ['success', undefined, 'fast'],
      ['success', undefined, 'quality'],
      ['failure', 'SETTINGS_CHANGED', 'fast'],
    ]);
  });

  it('are in force for the next answer of the process that took them', async () => {
    const ask = async (): Promise<string> => {
      const stream = store.answers.answer({ question: 'Why was warfarin stopped?' }, as(tenantId));
      return reasonOf(collect(stream));
    };
    expect(await ask()).to.equal('none');
    expect([reranked, store.asked.at(-1)?.topK]).to.deep.equal([0, 8]);
    await update({ ...wanted, monthlyBudgetMicroUsd: 0n });
    expect(await ask()).to.equal('none');
    expect([reranked, store.asked.at(-1)?.topK]).to.deep.equal([1, 16]);
  });

  it('are in force in every other process when what it holds has run out, and not asked for before', async () => {
    let nowMs = 1;
    let reads = 0;
    const counted: Pick<typeof store.database, 'inTenant'> = {
      inTenant: (tenant, work) => {
        reads += 1;
        return store.database.inTenant(tenant, work);
      },
    };
    const other = createSettingsSource(counted, defaultSettings('drop'), () => nowMs);
    const call = { principal: someone(tenantId) } as Parameters<typeof other.of>[0];
    expect((await other.of(call)).model).to.equal('quality');
    await update(wanted);
    nowMs += settingsMaxAgeMs - 1;
    expect((await other.of(call)).model).to.equal('quality');
    expect(reads).to.equal(1);
    nowMs += 1;
    expect(await other.of(call)).to.deep.equal({
      model: 'fast',
      citationPolicy: 'refuse',
      completionsEnabled: true,
      monthlyBudgetMicroUsd: 12_500_000,
      rerank: true,
      guardrail: { id: 'gr123', version: 'DRAFT' },
    });
    expect(settingsMaxAgeMs).to.equal(5_000);
  });

  it('list the models that may be used here', async () => {
    const { models } = await store.settings.listModels({}, as(tenantId));
    expect(models.map(({ modelId, aliases, prices }) => [modelId, aliases, prices])).to.deep.equal([
      ['wardstone-extractive-1', ['quality', 'fast'], undefined],
    ]);
  });
});

describe('a guardrail where models take none', () => {
  let store: StoreHarness;
  before(async function () {
    this.timeout(60_000);
    store = await openStore();
  });
  after(() => store.close());

  it('is refused with the settings', async () => {
    const tenantId = newTenant();
    const admin = as(tenantId, { roles: ['tenant_admin'] });
    const update = (settings: NewSettings) => store.settings.updateAnswerSettings({ settings }, admin);
    expect(await reasonOf(update(wanted))).to.equal('GUARDRAIL_NOT_SUPPORTED');
    const { guardrail: _guardrail, ...without } = wanted;
    expect(await reasonOf(update(without))).to.equal('none');
  });

  it('that was set before keeps its tenant from being answered past it', async () => {
    const tenantId = newTenant();
    await store.testDatabase.query(
      `insert into llm.answer_settings (tenant_id, model, citation_policy, completions_enabled, rerank, guardrail_id, guardrail_version)
       values ($1, 'quality', 'drop', false, false, 'gr123', '1')`,
      [tenantId],
    );
    const asked = collect(store.answers.answer({ question: 'Why was warfarin stopped?' }, as(tenantId)));
    expect(await reasonOf(asked)).to.equal('GUARDRAIL_NOT_SUPPORTED');
    expect(store.asked).to.deep.equal([]);
  });
});
