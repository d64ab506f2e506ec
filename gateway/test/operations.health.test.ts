import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { startChildGateway } from './support/child-gateway.ts';
import { expectProblem, postJson } from './support/http.ts';
import { type ServiceName, type World, startWorld } from './support/world.ts';

describe('health, metrics and services that are down', function () {
  // Two of the tests start a whole process, which takes long on a busy machine.
  this.timeout(90_000);
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());

  it('is alive whatever its peers are, and ready only with all of them', async () => {
    const ready = await fetch(`${world.url}/readyz`);
    expect(ready.status).to.equal(200);
    const up = { ingestion: 'up', retrieval: 'up', llm: 'up', 'tenant-key': 'up', audit: 'up' };
    expect(await ready.json()).to.deep.equal({ status: 'ready', peers: up });
    await world.stop('retrieval');
    const notReady = await eventually(async () => {
      const response = await fetch(`${world.url}/readyz`);
      return response.status === 503 ? response : undefined;
    });
    expect(await notReady.json()).to.deep.equal({ status: 'not ready', peers: { ...up, retrieval: 'down' } });
    expect((await fetch(`${world.url}/livez`)).status).to.equal(200);
  });

  it('tells once that it is not ready, and why, as no failure of its own', async () => {
    const states: number[] = [];
    const ask = async (): Promise<number> => {
      const { status } = await fetch(`${world.url}/readyz`);
      states.push(status);
      return status;
    };
    const lines = () => world.logLines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const warnings = () => lines().filter(({ msg }) => msg === 'not ready: peers are down');
    await world.stop('retrieval');
    await eventually(async () => (await ask()) === 503, { description: 'not ready' });
    await world.stop('llm');
    await eventually(async () => (await ask()) === 503 && warnings().length > 1, { description: 'both to be told' });
    expect(warnings().map(({ level, peer }) => ({ level, peer }))).to.deep.equal([
      { level: 'warn', peer: ['retrieval'] },
      { level: 'warn', peer: ['retrieval', 'llm'] },
    ]);
    const asked = () => lines().filter(({ route }) => route === '/readyz');
    await eventually(() => asked().length === states.length, { description: 'every request to be logged' });
    expect(asked().map(({ status }) => status)).to.have.members(states);
    expect(new Set(asked().map(({ level }) => level))).to.deep.equal(new Set(['info']));
  });

  it('answers 503 with Retry-After for what a service that is down would have answered, and only for that', async () => {
    const headers = await world.bearer({ roles: ['tenant_admin'] });
    const platform = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'] })}` };
    const form = new FormData();
    form.append('file', new File(['x'], 'a.txt'));
    const calls: [ServiceName, () => Promise<Response>][] = [
      ['ingestion', () => fetch(`${world.url}/v1/documents`, { headers })],
      ['ingestion', () => fetch(`${world.url}/v1/documents`, { headers, method: 'POST', body: form })],
      ['ingestion', () => fetch(`${world.url}/v1/documents/01970000-0000-7000-8000-000000000001/content`, { headers })],
      ['ingestion', () => fetch(`${world.url}/v1/documents/01970000-0000-7000-8000-000000000001/events`, { headers })],
      ['retrieval', () => postJson(`${world.url}/v1/search`, headers, { query: 'x' })],
      ['llm', () => postJson(`${world.url}/v1/answers`, headers, { question: 'x' })],
      [
        'llm',
        () => postJson(`${world.url}/v1/answers`, { ...headers, accept: 'text/event-stream' }, { question: 'x' }),
      ],
      ['tenant-key', () => fetch(`${world.url}/v1/tenants`, { headers: platform })],
      ['audit', () => fetch(`${world.url}/v1/audit-events`, { headers })],
    ];
    for (const [service, call] of calls) {
      await world.stop(service);
      const response = await call();
      await expectProblem(response, 503, 'SERVICE_UNAVAILABLE');
      expect(Number(response.headers.get('retry-after')), service).to.be.within(1, 60);
    }
    expect((await fetch(`${world.url}/v1/me`, { headers })).status).to.equal(200);
  });

  it('refuses what is not allowed even while the audit log is down', async () => {
    await world.stop('audit');
    const headers = await world.bearer({ roles: ['analyst'] });
    await expectProblem(await postJson(`${world.url}/v1/search`, headers, { query: 'x' }), 403, 'PERMISSION_DENIED');
    await eventually(() => world.logLines.some((line) => line.includes('a denial could not be recorded')));
  });

  it('measures requests by route template, never by path', async () => {
    const headers = await world.bearer();
    const id = '01970000-0000-7000-8000-00000000abcd';
    await fetch(`${world.url}/v1/documents/${id}`, { headers });
    await fetch(`${world.url}/v1/unknown/${id}`, { headers });
    const text = await eventually(async () => {
      const metrics = await (await fetch(`${world.url}/metrics`)).text();
      return metrics.includes('route="none"') && metrics.includes('{documentId}') ? metrics : undefined;
    });
    expect(text).to.match(
      /http_request_duration_seconds_count\{.*route="\/v1\/documents\/\{documentId\}",status="404"/,
    );
    expect(text).to.match(/http_problems_total\{.*reason="DOCUMENT_NOT_FOUND"/);
    expect(text).not.to.contain(id);
  });

  it('runs as a program: metrics on a port of their own, SIGTERM ends it with 0', async () => {
    const gateway = await startChildGateway(world, { WARDSTONE_METRICS_PORT: '0', WARDSTONE_LOG_LEVEL: 'info' });
    await expectProblem(await fetch(`${gateway.url}/metrics`), 404, 'NOT_FOUND');
    expect((await fetch(`${gateway.url}/livez`)).status).to.equal(200);
    expect(await gateway.stop()).to.equal(0);
  });

  it('does not start with a variable that it does not know', async () => {
    const started = startChildGateway(world, { WARDSTONE_RATE_LIMIT: '5' });
    const error = await started.then(
      () => undefined,
      (failure: unknown) => failure as Error,
    );
    expect(error?.message).to.match(/WARDSTONE_RATE_LIMIT: is not a variable/);
  });
});
