import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { openDatabase, type Database, type PassLoop } from '@wardstone/db';
import { TenantWorkKind } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { Registry } from '@wardstone/telemetry';
import { createTestDatabase, eventually, type TestDatabase } from '@wardstone/testing';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { createTenantWorker, type TenantWorkHandlers } from '../src/index.ts';
import { tellTenantKey, type ToldTenantKey } from './support.ts';

describe('tenant worker', () => {
  let test: TestDatabase;
  let database: Database;
  let told: ToldTenantKey;
  let metrics = new Registry();
  const workers: PassLoop[] = [];

  before(async function () {
    this.timeout(60_000);
    test = await createTestDatabase({ schemas: ['retrieval'] });
    const { appUrl: url } = test.schema('retrieval');
    database = await openDatabase({ url, schema: 'retrieval', entities: [], applicationName: 'tenancy-test' });
  });
  after(async () => {
    await database.close();
    await test.drop();
  });
  beforeEach(() => {
    told = tellTenantKey();
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close()));
    await told.close();
  });

  const settledAt = new Date('2026-01-01T00:00:00Z');
  const reseal = (tenantId: string) => ({
    workId: uuidv7(),
    tenantId,
    kind: TenantWorkKind.RESEAL,
    keyVersion: 3,
    settledAt: timestampFromDate(settledAt),
  });
  const purge = (tenantId: string) => ({ workId: uuidv7(), tenantId, kind: TenantWorkKind.PURGE });
  const nothing: TenantWorkHandlers = {
    reseal: () => Promise.reject(new Error('not asked for')),
    purge: () => Promise.reject(new Error('not asked for')),
  };
  const open = (handlers: Partial<TenantWorkHandlers>, intervalMs = 60_000): PassLoop => {
    const { client } = told;
    metrics = new Registry();
    const telemetry = { log: told.telemetry.log, metrics };
    const merged = { ...nothing, ...handlers };
    const worker = createTenantWorker({
      client,
      service: 'retrieval',
      database,
      telemetry,
      handlers: merged,
      intervalMs,
    });
    workers.push(worker);
    return worker;
  };

  it('takes steps, tenant by tenant in turn, until nothing is left, and reports each', async () => {
    const [a, b] = [uuidv7(), uuidv7()];
    told.work = [reseal(a), reseal(b)];
    const left = new Map([
      [a, 3],
      [b, 1],
    ]);
    const order: string[] = [];
    const steps = await open({
      reseal: ({ tenantId, keyVersion, settledAt: from }) => {
        expect([keyVersion, from]).to.deep.equal([3, settledAt]);
        order.push(tenantId);
        const documentsLeft = (left.get(tenantId) ?? 0) - 1;
        left.set(tenantId, documentsLeft);
        return Promise.resolve({ documentsDone: 1, documentsLeft });
      },
    }).pass();
    expect(steps).to.equal(4);
    expect(order).to.deep.equal([a, b, a, a]);
    const of = (tenantId: string) =>
      told.reports.filter((report) => report.tenantId === tenantId).map(({ documentsLeft }) => documentsLeft);
    expect([of(a), of(b)]).to.deep.equal([[2, 1, 0], [0]]);
    expect(told.reports.every(({ kind }) => kind === TenantWorkKind.RESEAL)).to.equal(true);
    expect(told.begun, 'once a pass').to.deep.equal(told.work.map(({ workId }) => workId));
  });

  for (const [title, step] of [
    ['removes rows before it finishes a document', { removed: { chunks: 4_000, documents: 0 } }],
    ['moves what is no document', { moved: 200 }],
  ] as const) {
    it(`goes on in the same pass while a step ${title}`, async () => {
      told.work = [purge(uuidv7())];
      let left = 3;
      const steps = await open({
        purge: () => {
          left -= 1;
          const last = { documentsDone: 1, documentsLeft: 0 };
          return Promise.resolve(left === 0 ? last : { documentsDone: 0, documentsLeft: 1, ...step });
        },
      }).pass();
      expect(steps).to.equal(3);
    });
  }

  it('leaves what does not move for the next pass', async () => {
    told.work = [reseal(uuidv7())];
    const steps = await open({
      reseal: () => Promise.resolve({ documentsDone: 0, documentsLeft: 2, removed: { objects: 0 }, moved: 0 }),
    }).pass();
    expect(steps).to.equal(1);
    expect(told.reports).to.have.length(1);
  });

  it('is not kept from others by work that fails, and reports nothing of it', async () => {
    const [a, b] = [uuidv7(), uuidv7()];
    told.work = [purge(a), purge(b)];
    await open({
      purge: ({ tenantId }) =>
        tenantId === a
          ? Promise.reject(new Error('the disk is gone'))
          : Promise.resolve({ documentsDone: 2, documentsLeft: 0, removed: { chunks: 7 } }),
    }).pass();
    expect(told.reports.map(({ tenantId, removed }) => [tenantId, removed])).to.deep.equal([[b, { chunks: 7 }]]);
    expect(await metrics.metrics()).to.include('wardstone_tenant_work_failures_total{kind="purge"} 1');
  });

  it('says of each piece that it is begun, before it touches it: also of one that never comes back', async () => {
    told.work = [purge(uuidv7()), purge(uuidv7())];
    const begunThen: number[] = [];
    const worker = open({
      purge: (_work, signal) => {
        begunThen.push(told.begun.length);
        if (begunThen.length === 1) return Promise.reject(new Error('the disk is gone'));
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        });
      },
    });
    const pass = worker.pass();
    await eventually(() => begunThen.length === 2, { timeoutMs: 5_000, description: 'the second hangs' });
    await worker.close();
    await pass;
    expect(begunThen).to.deep.equal([1, 2]);
  });

  it('works in one process at a time', async () => {
    told.work = [purge(uuidv7())];
    const gate = Promise.withResolvers<void>();
    let working = 0;
    const handlers = {
      purge: async () => {
        working += 1;
        await gate.promise;
        return { documentsDone: 1, documentsLeft: 0 };
      },
    };
    const first = open(handlers).pass();
    await eventually(() => working === 1, { timeoutMs: 5_000, description: 'the first works' });
    expect(await open(handlers).pass()).to.equal(0);
    gate.resolve();
    expect(await first).to.equal(1);
    expect(working).to.equal(1);
  });

  it('makes passes by itself until it is closed, and stops a step that runs', async () => {
    told.work = [purge(uuidv7())];
    let [running, stopped] = [false, false];
    const worker = open(
      {
        purge: (_work, signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              stopped = true;
              reject(new Error('stopped'));
            });
            running = true;
          }),
      },
      5,
    );
    worker.start();
    await eventually(() => running, { timeoutMs: 5_000, description: 'a step runs' });
    await worker.close();
    expect(stopped).to.equal(true);
  });
});
