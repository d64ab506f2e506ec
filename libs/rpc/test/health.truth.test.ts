import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { expect } from 'chai';
import { Health } from '../src/gen/grpc/health/v1/health_pb.ts';
import { peerHealth } from '../src/index.ts';
import { createDependencyChecks } from '../src/server/dependency-checks.ts';
import { createScene, recordedTelemetry, refusal, secret, startTestServer } from './support/platform.ts';

describe('dependency checks', () => {
  function checksOf(check: () => Promise<void>) {
    let clock = 0;
    const telemetry = recordedTelemetry();
    const checks = createDependencyChecks({
      dependencies: { database: check, queue: () => Promise.resolve() },
      telemetry,
      timeoutMs: 30,
      now: () => clock,
    });
    return { checks, telemetry, pass: (ms: number) => (clock += ms) };
  }

  it('are asked once for many who ask at the same time, and once a second', async () => {
    let asked = 0;
    const { checks, pass } = checksOf(() => {
      asked++;
      return Promise.resolve();
    });
    const reports = await Promise.all(Array.from({ length: 50 }, () => checks.report()));
    expect(reports.every(({ serving }) => serving)).equal(true);
    await checks.report();
    expect(asked).equal(1);
    pass(999);
    await checks.report();
    expect(asked).equal(1);
    pass(2);
    await checks.report();
    expect(asked).equal(2);
  });

  it('name what is down, and see it come up again', async () => {
    let down = true;
    const { checks, telemetry, pass } = checksOf(() => (down ? Promise.reject(new Error(secret)) : Promise.resolve()));
    expect(await checks.report()).deep.equal({ serving: false, dependencies: { database: 'down', queue: 'up' } });
    expect(await telemetry.metrics.getSingleMetricAsString('dependency_up')).match(/dependency="database".*\} 0/);
    down = false;
    pass(1_001);
    expect((await checks.report()).serving).equal(true);
    expect(telemetry.lines().map(({ msg }) => msg)).deep.equal(['dependency is down', 'dependency is up again']);
    expect(telemetry.text()).not.include('Abernathy');
  });

  it('that throw at once or hang are down, and one that hangs is not started again', async () => {
    let started = 0;
    const hanging = checksOf(() => {
      started++;
      return new Promise<void>(() => undefined);
    });
    for (let turn = 0; turn < 3; turn++) {
      expect((await hanging.checks.report()).serving).equal(false);
      hanging.pass(1_001);
    }
    expect(started).equal(1);
    const throwing = checksOf(() => {
      throw new Error('at once');
    });
    expect((await throwing.checks.report()).serving).equal(false);
  });
});

describe('grpc.health.v1', () => {
  it('says whether the dependencies are up, by Check, Watch, List and /readyz', async () => {
    let down = false;
    const check = () => (down ? Promise.reject(new Error('down')) : Promise.resolve());
    const server = await startTestServer(createScene(), { dependencies: { database: check } });
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    const statuses: number[] = [];
    for await (const { status } of client.watch({ service: 'wardstone.embedding.v1.EmbeddingService' })) {
      statuses.push(status);
      down = !down;
      if (statuses.length === 3) break;
      await peerHealth(server.url)().catch(() => undefined);
    }
    expect(statuses).deep.equal([1, 2, 1]);
    await server.close();

    const broken = await startTestServer(createScene(), {
      dependencies: { database: () => Promise.reject(new Error('down')) },
    });
    const asked = createClient(Health, createGrpcTransport({ baseUrl: broken.url }));
    expect((await asked.check({})).status).equal(2);
    expect((await asked.list({})).statuses['']?.status).equal(2);
    const ready = await fetch(`${broken.url}/readyz`);
    expect(ready.status).equal(503);
    expect(await ready.json()).deep.equal({ status: 'not ready', dependencies: { database: 'down' } });
    expect((await refusal(peerHealth(broken.url)())).reason).equal('SERVICE_UNAVAILABLE');
    await broken.close();
    expect((await refusal(peerHealth(broken.url)())).reason).equal('SERVICE_UNAVAILABLE');
  });

  it('watches a service that it does not have as SERVICE_UNKNOWN', async () => {
    const server = await startTestServer(createScene());
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    const leave = new AbortController();
    for await (const { status } of client.watch({ service: 'nobody' }, { signal: leave.signal })) {
      expect(status).equal(3);
      break;
    }
    leave.abort();
    await server.close();
  });
});
