import { AppError } from '@wardstone/rpc';
import { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { createTenantGate, type TenantGate, type TenantGateOptions } from '../src/index.ts';
import { statusOf, tellTenantKey, type ToldTenantKey } from './support.ts';

const one = '01890000-0000-7000-8000-000000000001';
const two = '01890000-0000-7000-8000-000000000002';

describe('tenant gate', () => {
  let told: ToldTenantKey;
  let gate: TenantGate | undefined;
  const keys: string[] = [];
  beforeEach(() => {
    told = tellTenantKey();
    keys.length = 0;
  });
  afterEach(async () => {
    await gate?.close();
    await told.close();
  });

  const open = (options: Partial<TenantGateOptions> = {}): TenantGate =>
    createTenantGate({
      client: told.client,
      service: 'retrieval',
      keys: {
        forget: (tenantId) => keys.push(`forget ${tenantId}`),
        refresh: (tenantId) => keys.push(`refresh ${tenantId}`),
        clear: () => keys.push('clear'),
      },
      log: told.telemetry.log,
      maxRetryMs: 20,
      clearSpreadMs: 1,
      ...options,
    });
  const refusalOf = (tenantId: string): string => {
    try {
      gate?.check(tenantId);
      return 'served';
    } catch (error) {
      return AppError.from(error).reason;
    }
  };
  const becomes = (tenantId: string, refusal: string): Promise<unknown> =>
    eventually(() => refusalOf(tenantId) === refusal, { timeoutMs: 5_000, description: `${tenantId}: ${refusal}` });

  it('refuses the tenants that were closed before it began to listen, and wipes their keys', async () => {
    told.snapshot = [statusOf(one, TenantState.SUSPENDED), statusOf(two, TenantState.OFFBOARDED)];
    gate = open();
    await becomes(one, 'TENANT_SUSPENDED');
    expect(refusalOf(two)).to.equal('TENANT_OFFBOARDING');
    expect(refusalOf('01890000-0000-7000-8000-000000000003')).to.equal('served');
    expect(keys).to.deep.equal([`forget ${one}`, `forget ${two}`]);
  });

  it('follows every change: closed, open again, another key version', async () => {
    gate = open();
    await becomes(one, 'served');
    told.say(statusOf(one, TenantState.OFFBOARDING));
    await becomes(one, 'TENANT_OFFBOARDING');
    told.say(statusOf(one, TenantState.ACTIVE));
    await becomes(one, 'served');
    told.say(statusOf(two, TenantState.ACTIVE, 2));
    await eventually(() => keys.length === 3, { timeoutMs: 5_000, description: 'three words to the keys' });
    expect(keys).to.deep.equal([`forget ${one}`, `refresh ${one}`, `refresh ${two}`]);
  });

  it('tells of tenants that leave, after their keys are gone and again with every beginning, and not of suspended ones', async () => {
    told.snapshot = [statusOf(one, TenantState.OFFBOARDED), statusOf(two, TenantState.SUSPENDED)];
    gate = open({ onLeaving: (tenantId) => keys.push(`leaving ${tenantId}`) });
    const beginning = [`forget ${one}`, `leaving ${one}`, `forget ${two}`];
    await becomes(two, 'TENANT_SUSPENDED');
    expect(keys).to.deep.equal(beginning);
    told.say(statusOf(two, TenantState.OFFBOARDING));
    await becomes(two, 'TENANT_OFFBOARDING');
    await eventually(() => keys.length === 5, { timeoutMs: 5_000, description: 'the change was told' });
    expect(keys.slice(3)).to.deep.equal([`forget ${two}`, `leaving ${two}`]);
    told.hangUp();
    await eventually(() => keys.includes('clear'), { timeoutMs: 5_000, description: 'the second beginning' });
    expect(keys.slice(5, 8)).to.deep.equal(beginning);
  });

  it('holds to the last word while nobody speaks, and believes the next beginning', async () => {
    told.snapshot = [statusOf(one, TenantState.SUSPENDED)];
    gate = open();
    await becomes(one, 'TENANT_SUSPENDED');
    told.snapshot = [statusOf(two, TenantState.SUSPENDED)];
    told.hangUp();
    expect(refusalOf(one)).to.equal('TENANT_SUSPENDED');
    await becomes(one, 'served');
    expect(refusalOf(two)).to.equal('TENANT_SUSPENDED');
    // What changed while nobody listened is unknown: every key is asked for again.
    await eventually(() => keys.length === 3, { timeoutMs: 5_000, description: 'the keys are asked for again' });
    expect(keys).to.deep.equal([`forget ${one}`, `forget ${two}`, 'clear']);
  });

  it('lets nobody in, and is not ready, before it has heard which tenants are closed', async () => {
    const readiness = (): Promise<string> =>
      gate?.ready().then(
        () => 'ready',
        (error: unknown) => AppError.from(error).reason,
      ) ?? Promise.resolve('');
    told.away = true;
    gate = open();
    await eventually(() => told.opened() >= 2, { timeoutMs: 5_000, description: 'it has asked twice' });
    expect([refusalOf(one), await readiness()]).to.deep.equal(['SERVICE_UNAVAILABLE', 'SERVICE_UNAVAILABLE']);
    told.away = false;
    await becomes(one, 'served');
    expect(await readiness()).to.equal('ready');
    told.away = true;
    told.hangUp();
    const asked = told.opened();
    await eventually(() => told.opened() > asked, { timeoutMs: 5_000, description: 'it asks in vain' });
    expect([refusalOf(one), await readiness()]).to.deep.equal(['served', 'ready']);
  });

  it('asks for keys again some time after a stream was lost, but wipes those of closed tenants at once', async () => {
    gate = open({ clearSpreadMs: 3_600_000, random: () => 1, maxRetryMs: 1 });
    await becomes(one, 'served');
    told.snapshot = [statusOf(two, TenantState.SUSPENDED)];
    told.hangUp();
    await becomes(two, 'TENANT_SUSPENDED');
    for (let word = 1; word <= 3; word += 1) {
      told.say(statusOf(one, TenantState.ACTIVE));
      await eventually(() => keys.length > word, { timeoutMs: 5_000, description: 'a word to the keys' });
    }
    expect(keys).to.deep.equal([`forget ${two}`, ...Array.from({ length: 3 }, () => `refresh ${one}`)]);
  });

  it('cuts a stream that fell silent, and opens another', async () => {
    gate = open({ silenceMs: 50 });
    await eventually(() => told.opened() >= 3, { timeoutMs: 10_000, description: 'two silent streams were cut' });
  });

  it('closes while it waits for a word', async () => {
    gate = open();
    await eventually(() => told.opened() === 1, { timeoutMs: 5_000, description: 'the stream is open' });
    await gate.close();
    gate = undefined;
  });
});
