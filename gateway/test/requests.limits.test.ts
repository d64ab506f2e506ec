import { expect } from 'chai';
import { expectProblem } from './support/http.ts';
import { type World, startWorld, tenantB } from './support/world.ts';

describe('rate limits, origins and security headers', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      rateLimits: { windowMs: 60_000, maxRequests: 3, maxFailedSignIns: 2 },
      deps: { corsOrigins: ['https://tools.example'] },
    });
  });
  after(() => world.close());

  it('counts per principal, says what is left, and refuses with Retry-After beyond', async () => {
    const headers = await world.bearer({ subject: 'busy' });
    const left: (string | null)[] = [];
    for (let index = 0; index < 3; index += 1) {
      const response = await fetch(`${world.url}/v1/me`, { headers });
      expect(response.headers.get('ratelimit-policy')).to.equal('"principal";q=3;w=60');
      left.push(/r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1] ?? null);
    }
    expect(left).to.deep.equal(['2', '1', '0']);
    const refused = await fetch(`${world.url}/v1/me`, { headers });
    await expectProblem(refused, 429, 'RATE_LIMITED');
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 60);
    const namesake = await world.bearer({ subject: 'busy', tenantId: tenantB });
    for (const other of [namesake, await world.bearer({ subject: 'idle' })]) {
      expect((await fetch(`${world.url}/v1/me`, { headers: other })).status).to.equal(200);
    }
  });

  it('counts failed sign-ins per address, and never lets them lock out a good token', async () => {
    const attempt = () => fetch(`${world.url}/v1/me`, { headers: { authorization: 'Bearer guess' } });
    await expectProblem(await attempt(), 401, 'TOKEN_INVALID');
    await expectProblem(await attempt(), 401, 'TOKEN_INVALID');
    await expectProblem(await attempt(), 429, 'RATE_LIMITED');
    const headers = await world.bearer({ subject: 'good' });
    expect((await fetch(`${world.url}/v1/me`, { headers })).status).to.equal(200);
  });

  it('does not count health checks', async () => {
    for (let index = 0; index < 10; index += 1) expect((await fetch(`${world.url}/livez`)).status).to.equal(200);
  });

  it('lets only the configured origins in from a browser', async () => {
    const preflight = (origin: string) =>
      fetch(`${world.url}/v1/search`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const allowed = await preflight('https://tools.example');
    expect(allowed.status).to.equal(204);
    expect(allowed.headers.get('access-control-allow-origin')).to.equal('https://tools.example');
    expect(allowed.headers.get('access-control-allow-headers')).to.contain('Authorization');
    expect(allowed.headers.get('access-control-allow-credentials')).to.equal(null);
    for (const origin of ['https://evil.example', 'https://tools.example.evil.example', 'null']) {
      const refused = await preflight(origin);
      expect(refused.status).to.equal(405);
      expect(refused.headers.get('access-control-allow-origin')).to.equal(null);
      expect(refused.headers.get('vary')).to.equal('Origin');
    }
    const problem = await fetch(`${world.url}/v1/me`, { headers: { origin: 'https://tools.example' } });
    expect(problem.headers.get('access-control-allow-origin')).to.equal('https://tools.example');
  });

  it('knows no origin when none is configured', async () => {
    const plain = await startWorld();
    try {
      const response = await fetch(`${plain.url}/v1/me`, { headers: { origin: 'https://tools.example' } });
      expect(response.headers.get('access-control-allow-origin')).to.equal(null);
    } finally {
      await plain.close();
    }
  });

  it('sets the security headers on every answer, problems too', async () => {
    for (const path of ['/v1/me', '/nothing', '/livez', '/openapi.json', '/%zz']) {
      const { headers } = await fetch(`${world.url}${path}`);
      expect(headers.get('cache-control'), path).to.equal('no-store');
      expect(headers.get('x-content-type-options'), path).to.equal('nosniff');
      expect(headers.get('content-security-policy'), path).to.contain("default-src 'none'");
      expect(headers.get('x-frame-options'), path).to.equal('DENY');
      expect(headers.get('referrer-policy'), path).to.equal('no-referrer');
      expect(headers.get('strict-transport-security'), path).to.match(/^max-age=\d+/);
      expect(headers.get('x-powered-by'), path).to.equal(null);
    }
  });
});
