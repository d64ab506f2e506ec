import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { startChildGateway } from './support/child-gateway.ts';
import { createReadiness } from '../src/routes/operations.ts';
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

  it('is alive and ready whatever its peers are, and says which are away', async () => {
    const ok = { ingestion: 'ok', retrieval: 'ok', llm: 'ok', 'tenant-key': 'ok', audit: 'ok' };
    const expectReady = async (peers: Readonly<Record<string, string>>): Promise<void> => {
      const body = await eventually(async () => {
        const response = await fetch(`${world.url}/readyz`);
        expect(response.status).to.equal(200);
        const report = (await response.json()) as { readonly peers: unknown };
        return JSON.stringify(report.peers) === JSON.stringify(peers) ? report : undefined;
      });
      expect(body).to.deep.equal({ status: 'ready', identityProvider: 'ok', peers });
    };
    await expectReady(ok);
    await world.stop('llm');
    await expectReady({ ...ok, llm: 'away' });
    const headers = await world.bearer();
    expect((await postJson(`${world.url}/v1/search`, headers, { query: 'x' })).status).to.equal(200);
    for (const name of ['ingestion', 'retrieval', 'tenant-key', 'audit'] as const) await world.stop(name);
    await expectReady({ ingestion: 'away', retrieval: 'away', llm: 'away', 'tenant-key': 'away', audit: 'away' });
    expect((await fetch(`${world.url}/livez`)).status).to.equal(200);
  });

  it('tells once that peers are away, and which, as no failure of its own', async () => {
    const ask = async () => (await fetch(`${world.url}/readyz`)).status === 200;
    const lines = () => world.logLines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const warnings = () => lines().filter(({ msg }) => msg === 'peers are away');
    await world.stop('retrieval');
    await eventually(async () => (await ask()) && warnings().length > 0, { description: 'one to be told' });
    await world.stop('llm');
    await eventually(async () => (await ask()) && warnings().length > 1, { description: 'both to be told' });
    expect(warnings().map(({ level, peer }) => ({ level, peer }))).to.deep.equal([
      { level: 'warn', peer: ['retrieval'] },
      { level: 'warn', peer: ['retrieval', 'llm'] },
    ]);
  });

  it('is not ready before it could have verified a token', async () => {
    await world.issuer.close();
    const response = await fetch(`${world.url}/readyz`);
    expect(response.status).to.equal(503);
    expect(await response.json()).to.deep.include({ status: 'not ready', identityProvider: 'away' });
    // Its one log line is no failure of its own.
    const lines = () => world.logLines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const asked = await eventually(() => lines().find(({ route }) => route === '/readyz'));
    expect(asked).to.include({ level: 'info', status: 503 });
    expect((await fetch(`${world.url}/livez`)).status).to.equal(200);
  });

  it('stays ready when the identity provider goes after its keys were had', async () => {
    let clock = 0;
    const { report } = createReadiness(
      { identityProvider: world.verifier.needsKeys, peers: {} },
      { info: () => undefined, warn: () => undefined },
      () => (clock += 1e6),
    );
    expect(await report()).to.include({ ready: true });
    await world.issuer.close();
    expect(await report()).to.include({ ready: true, identityProvider: 'ok' });
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
      const metrics = await world.metrics();
      return metrics.includes('route="none"') && metrics.includes('{documentId}') ? metrics : undefined;
    });
    expect(text).to.match(
      /http_request_duration_seconds_count\{.*route="\/v1\/documents\/\{documentId\}",status="404"/,
    );
    expect(text).to.match(/http_problems_total\{.*reason="DOCUMENT_NOT_FOUND"/);
    expect(text).not.to.contain(id);
  });

  it('runs as a program: metrics on a port of their own, SIGTERM ends it with 0', async () => {
    const gateway = await startChildGateway(world, { WARDSTONE_LOG_LEVEL: 'info' });
    await expectProblem(await fetch(`${gateway.url}/metrics`), 404, 'NOT_FOUND');
    expect(await (await fetch(gateway.metricsUrl)).text()).to.contain('http_request_duration_seconds');
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
