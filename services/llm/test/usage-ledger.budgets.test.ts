import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { CitationPolicy } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { eventually } from '@wardstone/testing';
import { Registry } from '@wardstone/telemetry';
import { createUsageLedger } from '../src/adapters/usage-ledger.ts';
import { hasRoom, retryAfterMs } from '../src/domain/budget.ts';
import { createUsageMetrics } from '../src/metrics.ts';
import type { AnswerInput, ModelEvent } from '../src/ports.ts';
import { collect, reasonOf, settings, untilAborted } from './support/harness.ts';
import { answered, says, scriptedModel } from './support/scripted-model.ts';
import { as, newTenant, openStore, someone, type StoreHarness } from './support/store.ts';

const question = 'Why was warfarin stopped?';
const quote = 'Warfarin was stopped because of bleeding.';
/** What an answer may cost at most, once its sources are known; before that it is next to nothing. */
const estimate = 9_000;
const cost = 700;
const usage = {
  modelId: 'scripted',
  inputTokens: 500,
  outputTokens: 200,
  cacheReadTokens: 30,
  cacheWriteTokens: 4,
  costMicroUsd: cost,
};

describe('usage and budgets', () => {
  let store: StoreHarness;
  let tenantId: string;
  const clock = { now: new Date() };
  let script: (input: AnswerInput, signal: AbortSignal) => AsyncIterable<ModelEvent>;

  const whole: typeof script = async function* () {
    yield says(quote, [1, quote]);
    await Promise.resolve();
    yield { kind: 'usage', usage };
    yield answered;
  };
  before(async function () {
    this.timeout(60_000);
    const maxMicroUsd = ({ sources }: AnswerInput): number => (sources.length === 0 ? 1 : estimate);
    store = await openStore({ model: scriptedModel((...asked) => script(...asked), { maxMicroUsd }), clock });
  });
  after(() => store.close());
  beforeEach(() => {
    tenantId = newTenant();
    clock.now = new Date();
    script = whole;
  });

  const admin = () => as(tenantId, { roles: ['tenant_admin'] });
  const ask = (options = as(tenantId)) => collect(store.answers.answer({ question }, options));
  const setBudget = async (monthlyBudgetMicroUsd: number): Promise<void> => {
    const wanted = {
      model: 'quality',
      citationPolicy: CitationPolicy.DROP,
      monthlyBudgetMicroUsd: BigInt(monthlyBudgetMicroUsd),
    };
    await store.settings.updateAnswerSettings({ settings: wanted }, admin());
  };
  const usageOf = (month = '') => store.settings.getUsage({ month }, admin());
  const refusalOf = async (): Promise<AppError> => {
    const refusal: unknown = await ask().then(
      () => undefined,
      (error: unknown) => error,
    );
    return AppError.from(refusal);
  };

  it('counts what answers used by month and model', async () => {
    await ask();
    await ask();
    const { month, models, costMicroUsd, reservedMicroUsd } = await usageOf();
    expect(month).to.equal(new Date().toISOString().slice(0, 7));
    expect(models).to.have.length(1);
    expect(models[0]).to.deep.include({
      modelId: 'scripted',
      answers: 2n,
      inputTokens: 1_000n,
      outputTokens: 400n,
      cacheReadTokens: 60n,
      cacheWriteTokens: 8n,
      costMicroUsd: 1_400n,
    });
    expect([costMicroUsd, reservedMicroUsd]).to.deep.equal([1_400n, 0n]);
  });

  it('counts one answer for several calls of a model, and each model for itself', async () => {
    script = async function* () {
      yield { kind: 'usage', usage };
      yield { kind: 'usage', usage: { ...usage, modelId: 'another' } };
      yield { kind: 'usage', usage };
      yield* whole({ question, history: [], sources: [] }, new AbortController().signal);
    };
    await ask();
    const { models } = await usageOf();
    expect(models.map(({ modelId, answers, costMicroUsd }) => [modelId, answers, costMicroUsd])).to.deep.equal([
      ['another', 1n, 700n],
      ['scripted', 1n, 2_100n],
    ]);
  });

  it('counts a model that tells of no usage, once it was asked', async () => {
    script = async function* () {
      await Promise.resolve();
      yield answered;
    };
    await ask();
    const { models } = await usageOf();
    expect(models.map(({ answers, costMicroUsd }) => [answers, costMicroUsd])).to.deep.equal([[1n, 0n]]);
  });

  it('counts many at once without losing one', async () => {
    await Promise.all(Array.from({ length: 4 }, () => ask()));
    expect((await usageOf()).models[0]?.answers).to.equal(4n);
  });

  it('counts what was used when the model breaks in the middle', async () => {
    await setBudget(100 * estimate);
    script = async function* () {
      yield says(quote, [1, quote]);
      yield { kind: 'usage', usage };
      await Promise.resolve();
      throw new AppError('MODEL_UNAVAILABLE');
    };
    expect(await reasonOf(ask())).to.equal('MODEL_UNAVAILABLE');
    const { costMicroUsd, reservedMicroUsd } = await usageOf();
    expect([costMicroUsd, reservedMicroUsd]).to.deep.equal([700n, 0n]);
  });

  it('counts what was used when the caller leaves, and gives back what was set aside', async () => {
    await setBudget(100 * estimate);
    script = async function* (_input, signal) {
      yield says(quote, [1, quote]);
      await untilAborted(signal).catch(() => undefined);
      yield { kind: 'usage', usage };
      throw new AppError('CANCELLED');
    };
    for await (const { event } of store.answers.answer({ question }, as(tenantId))) {
      if (event.case !== 'citation') continue;
      expect((await usageOf()).reservedMicroUsd).to.equal(BigInt(estimate));
      break;
    }
    await eventually(async () => (await usageOf()).costMicroUsd === 700n);
    expect((await usageOf()).reservedMicroUsd).to.equal(0n);
  });

  it('refuses what the month’s budget has no room for, says until when, and counts the refusal', async () => {
    await setBudget(estimate + cost);
    await ask();
    await ask();
    const refusal = await refusalOf();
    expect([refusal.reason, refusal.status]).to.deep.equal(['BUDGET_EXCEEDED', 429]);
    expect(refusal.retryAfterMs).to.be.within(1, 24 * 60 * 60_000);
    expect(refusal.metadata).to.deep.equal({ month: clock.now.toISOString().slice(0, 7) });
    expect((await usageOf()).models[0]?.answers).to.equal(2n);
    expect(await store.registry.metrics()).to.match(/^wardstone_llm_budget_refusals_total [1-9]/m);
    await setBudget(10 * estimate);
    await ask();
  });

  it('is no other tenant’s budget, and none of another month', async () => {
    await setBudget(estimate);
    await ask();
    expect((await refusalOf()).reason).to.equal('BUDGET_EXCEEDED');
    expect(await reasonOf(ask(as(newTenant())))).to.equal('none');
    clock.now = new Date(Date.UTC(clock.now.getUTCFullYear(), clock.now.getUTCMonth() + 1, 1));
    expect(await reasonOf(ask())).to.equal('none');
    const last = await usageOf(new Date().toISOString().slice(0, 7));
    expect(last.costMicroUsd).to.equal(700n);
    const next = await usageOf(clock.now.toISOString().slice(0, 7));
    expect(next.costMicroUsd).to.equal(700n);
  });

  it('lets no more answers begin at once than it has room for', async () => {
    // Beside two answers, the little that two others hold while they look for their sources.
    await setBudget(2 * estimate + 2);
    const release = new AbortController();
    script = async function* () {
      await untilAborted(release.signal).catch(() => undefined);
      yield says(quote, [1, quote]);
      yield { kind: 'usage', usage: { ...usage, costMicroUsd: estimate } };
      yield answered;
    };
    const ended: string[] = [];
    const all = Promise.all(Array.from({ length: 4 }, async () => ended.push(await reasonOf(ask()))));
    // Answers that end make room for others: none may before all have asked for it.
    await eventually(() => ended.length === 2);
    expect((await usageOf()).reservedMicroUsd).to.equal(BigInt(2 * estimate));
    release.abort();
    await all;
    expect(ended.sort()).to.deep.equal(['BUDGET_EXCEEDED', 'BUDGET_EXCEEDED', 'none', 'none']);
    // As dear as they may be, both of them.
    expect((await usageOf()).costMicroUsd).to.equal(BigInt(2 * estimate));
  });

  it('refuses before anything leaves what there is no room for once the sources are known', async () => {
    await setBudget(estimate - 1);
    const seen: (string | undefined)[] = [];
    const refused = reasonOf(
      (async () => {
        for await (const { event } of store.answers.answer({ question }, as(tenantId))) seen.push(event.case);
      })(),
    );
    expect(await refused).to.equal('BUDGET_EXCEEDED');
    expect(seen).to.deep.equal([]);
    const last = store.events.at(-1);
    expect(last).to.include({ action: 'answer.create', outcome: 'denied', reason: 'BUDGET_EXCEEDED' });
    expect((await usageOf()).reservedMicroUsd).to.equal(0n);
  });

  it('allows what a model asks for in the middle beside what it has used, as long as there is room', async () => {
    await setBudget(estimate + 1_000);
    const allowed: string[] = [];
    script = async function* ({ allow }) {
      yield { kind: 'usage', usage };
      allowed.push(await reasonOf(allow?.(estimate + 300) ?? Promise.reject(new Error('it is not asked'))));
      expect((await usageOf()).reservedMicroUsd).to.equal(BigInt(cost + estimate + 300));
      allowed.push(await reasonOf(allow?.(estimate + 301) ?? Promise.reject(new Error('it is not asked'))));
      yield answered;
    };
    await ask();
    expect(allowed).to.deep.equal(['none', 'BUDGET_EXCEEDED']);
    const { costMicroUsd, reservedMicroUsd } = await usageOf();
    expect([costMicroUsd, reservedMicroUsd]).to.deep.equal([700n, 0n]);
  });

  const reserve = (isBegun: boolean, expires: string) =>
    store.testDatabase.query(
      `insert into llm.budget_reservation (tenant_id, reservation_id, month, model_id, micro_usd, is_begun, expires_at)
       values ($1, gen_random_uuid(), $2, 'scripted', $3, $4, now() + $5::interval)`,
      [tenantId, clock.now.toISOString().slice(0, 7), estimate, isBegun, expires],
    );

  it('forgets what an answer set aside whose process died before it asked for anything that costs', async () => {
    await setBudget(estimate);
    await reserve(false, '15 minutes');
    expect((await refusalOf()).reason).to.equal('BUDGET_EXCEEDED');
    await store.testDatabase.query(
      `update llm.budget_reservation set expires_at = now() - interval '1 second' where tenant_id = $1`,
      [tenantId],
    );
    expect(await reasonOf(ask())).to.equal('none');
    const rows = await store.testDatabase.query('select 1 from llm.budget_reservation where tenant_id = $1', [
      tenantId,
    ]);
    expect(rows).to.have.length(0);
  });

  it('counts as spent what an answer set aside whose process died after it had begun to cost', async () => {
    await setBudget(2 * estimate - 1);
    await reserve(true, '-1 seconds');
    expect((await refusalOf()).reason).to.equal('BUDGET_EXCEEDED');
    const { costMicroUsd, reservedMicroUsd, models } = await usageOf();
    expect([costMicroUsd, reservedMicroUsd, models]).to.deep.equal([BigInt(estimate), 0n, []]);
    // When nobody can settle it any more, it is the model's.
    await store.testDatabase.query(
      `update llm.budget_reservation set expires_at = now() - interval '25 hours' where tenant_id = $1`,
      [tenantId],
    );
    await setBudget(3 * estimate);
    await ask();
    const later = await usageOf();
    expect(later.costMicroUsd).to.equal(BigInt(estimate + cost));
    expect(later.models.map(({ modelId, answers }) => [modelId, answers])).to.deep.equal([['scripted', 2n]]);
  });

  for (const [title, budget] of [
    ['within a budget', 3 * estimate],
    ['without one', 0],
  ] as const) {
    it(`answers although it cannot be counted, ${title}: the figures are in the log, and what was set aside is spent`, async () => {
      if (budget > 0) await setBudget(budget);
      await store.testDatabase.query(
        `alter table llm.model_usage add constraint never check (model_id <> 'scripted') not valid`,
      );
      try {
        expect((await ask()).at(-1)?.case).to.equal('done');
      } finally {
        await store.testDatabase.query('alter table llm.model_usage drop constraint never');
      }
      const line = store.logs.findLast((entry) => entry.includes('could not be counted')) ?? '{}';
      expect(JSON.parse(line)).to.include({ tenantId, countedMicroUsd: estimate, ...usage });
      expect((await usageOf()).reservedMicroUsd).to.equal(BigInt(estimate));
      await store.testDatabase.query(
        `update llm.budget_reservation set expires_at = now() - interval '1 second' where tenant_id = $1`,
        [tenantId],
      );
      const { costMicroUsd, reservedMicroUsd } = await usageOf();
      expect([costMicroUsd, reservedMicroUsd]).to.deep.equal([BigInt(estimate), 0n]);
    });
  }

  for (const [title, lose] of [
    ['the database is away for a moment at its end', (_work: unknown) => Promise.resolve()],
    ['the answer of the database is lost', (work: () => Promise<unknown>) => work()],
  ] as const) {
    it(`counts an answer once, when ${title}`, async () => {
      let failures = 0;
      const database: Pick<typeof store.database, 'inTenant'> = {
        inTenant: async (tenant, work) => {
          failures -= 1;
          if (failures < 0) return store.database.inTenant(tenant, work);
          await lose(() => store.database.inTenant(tenant, work));
          throw new AppError('DATABASE_UNAVAILABLE');
        },
      };
      const ledger = createUsageLedger({ database, metrics: createUsageMetrics(new Registry()), log: store.deps.log });
      const call = { principal: someone(tenantId) } as Parameters<typeof ledger.admit>[0];
      const admission = await ledger.admit(call, settings, { modelId: 'scripted', maxMicroUsd: 1 });
      await admission.cover(estimate);
      failures = 2;
      await admission.settle([usage]);
      const { costMicroUsd, reservedMicroUsd, models } = await usageOf();
      expect([costMicroUsd, reservedMicroUsd, models[0]?.answers]).to.deep.equal([700n, 0n, 1n]);
    });
  }

  it('takes no month that is none', async () => {
    for (const month of ['2026-13', '2026-1', 'now', '2026-11-01']) {
      expect(await reasonOf(usageOf(month)), month).to.equal('INVALID_ARGUMENT');
    }
    expect((await usageOf('1999-01')).models).to.deep.equal([]);
  });
});

describe('a budget', () => {
  it('has room as long as what is spent, set aside and asked for does not exceed it', () => {
    expect(hasRoom({ budget: 100, spent: 50, reserved: 30 }, 20)).to.equal(true);
    expect(hasRoom({ budget: 100, spent: 50, reserved: 31 }, 20)).to.equal(false);
    expect(hasRoom({ budget: 100, spent: 99, reserved: 0 }, 0)).to.equal(true);
    expect(hasRoom({ budget: 100, spent: 100, reserved: 0 }, 0)).to.equal(false);
  });

  it('tells to wait until the month is over, but never longer than a day', () => {
    expect(retryAfterMs(new Date('2026-12-31T23:59:59.000Z'))).to.equal(1_000);
    expect(retryAfterMs(new Date('2026-02-28T12:00:00.000Z'))).to.equal(12 * 60 * 60_000);
    expect(retryAfterMs(new Date('2026-11-02T00:00:00.000Z'))).to.equal(24 * 60 * 60_000);
  });
});
