import { expect } from 'chai';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { accountsFile, ensureAccounts, userNamed, type Accounts } from '../src/sign-in/accounts.ts';
import { clientToken, signIn } from '../src/sign-in/client.ts';
import { startSignInServer, type SignInServer } from '../src/sign-in/server.ts';
import { ensureProviderSecrets } from '../src/sign-in/signing-keys.ts';

describe('the development sign-in', () => {
  let dir: string;
  let accounts: Accounts;
  let server: SignInServer;

  const start = async () =>
    startSignInServer({
      host: '127.0.0.1',
      port: 0,
      accounts,
      secrets: await ensureProviderSecrets(dir),
      accessTokenTtlS: 1800,
    });
  const verify = async (token: string) => {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/jwks`));
    return jwtVerify(token, keys, { issuer: server.issuer, audience: 'wardstone', algorithms: ['RS256', 'ES256'] });
  };

  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-sign-in-'));
    accounts = await ensureAccounts(dir);
    server = await start();
  });
  after(async () => {
    await server.close();
    await rm(dir, { recursive: true });
  });

  it('refuses an address that is none, and goes on serving', async () => {
    const { port, hostname } = new URL(server.issuer);
    const socket = connect(Number(port), hostname);
    socket.end('GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const answer = (await socket.toArray()).map(String).join('');
    expect(answer).to.match(/^HTTP\/1\.1 400 /);
    expect((await fetch(`${server.issuer}/readyz`)).status).to.equal(200);
  });

  it('signs each user in by the code flow, with the tenant and the roles of that user in the token', async () => {
    for (const user of accounts.users) {
      const token = await signIn({ issuer: server.issuer, username: user.username, password: user.password });
      const { payload, protectedHeader } = await verify(token);
      expect(protectedHeader.typ).to.equal('at+jwt');
      expect(payload.sub).to.equal(user.subject);
      expect(payload['wardstone_tenant']).to.equal(user.tenantId);
      expect(payload['wardstone_roles']).to.deep.equal(user.roles);
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).to.equal(1800);
    }
  });

  it('gives the program of each team a token of its own tenant', async () => {
    for (const client of accounts.clients) {
      const { payload } = await verify(await clientToken({ issuer: server.issuer, ...client }));
      expect(payload.sub).to.equal(client.clientId);
      expect(payload['client_id']).to.equal(client.clientId);
      expect(payload['wardstone_tenant']).to.equal(client.tenantId);
      expect(payload['wardstone_roles']).to.deep.equal(['builder']);
    }
  });

  it('refuses a wrong password and an unknown user alike', async () => {
    for (const username of ['north-clinician', 'nobody-at-all']) {
      const failure = await signIn({ issuer: server.issuer, username, password: 'wrong' }).catch(
        (error: unknown) => error,
      );
      expect(String(failure)).to.contain(`refused ${username} (HTTP 401)`);
    }
  });

  it('refuses a wrong client secret', async () => {
    const failure = await clientToken({ issuer: server.issuer, clientId: 'team-north', clientSecret: 'wrong' }).catch(
      (error: unknown) => error,
    );
    expect(String(failure)).to.contain('invalid_client');
  });

  it('refuses a form that comes without the cookie of the browser that started the sign-in', async () => {
    const authorize = new URL(`${server.issuer}/auth`);
    authorize.search = new URLSearchParams({
      client_id: 'wardstone-console',
      response_type: 'code',
      redirect_uri: 'http://127.0.0.1:12345/callback',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    }).toString();
    const started = await fetch(authorize, { redirect: 'manual' });
    const form = started.headers.get('location') ?? '';
    expect(form).to.match(/^\/interaction\//);
    const { username, password } = userNamed(accounts, 'north-clinician');
    const posted = await fetch(new URL(form, server.issuer), {
      method: 'POST',
      body: new URLSearchParams({ username, password }),
      redirect: 'manual',
    });
    expect(posted.status).to.equal(400);
  });

  it('refuses a code flow without PKCE', async () => {
    const authorize = new URL(`${server.issuer}/auth`);
    authorize.search = new URLSearchParams({
      client_id: 'wardstone-console',
      response_type: 'code',
      redirect_uri: 'http://127.0.0.1:12345/callback',
      scope: 'openid',
    }).toString();
    const response = await fetch(authorize, { redirect: 'manual' });
    expect(response.headers.get('location')).to.contain('error=invalid_request');
  });

  it('knows two administrators of each tenant, of whom one can approve what the other asks', () => {
    for (const { id, slug } of accounts.tenants) {
      const administrators = accounts.users.filter(
        ({ tenantId, roles }) => tenantId === id && roles.includes('tenant_admin'),
      );
      const names = administrators.map(({ username }) => username);
      expect(names).to.deep.equal([`${slug}-tenant-admin`, `${slug}-tenant-admin-2`]);
      expect(new Set(administrators.map(({ subject }) => subject))).to.have.property('size', 2);
    }
  });

  it('adds users that earlier accounts lack, and leaves the others as they are', async () => {
    const earlier = await mkdtemp(path.join(tmpdir(), 'wardstone-accounts-'));
    try {
      const users = accounts.users.filter(({ username }) => username !== 'north-tenant-admin-2');
      await writeFile(accountsFile(earlier), JSON.stringify({ ...accounts, users }));
      const completed = await ensureAccounts(earlier);
      const added = completed.users.at(-1);
      expect(added).to.deep.include({ username: 'north-tenant-admin-2', roles: ['tenant_admin'] });
      expect(completed).to.deep.equal({ ...accounts, users: [...users, added] });
      expect(await ensureAccounts(earlier)).to.deep.equal(completed);
    } finally {
      await rm(earlier, { recursive: true });
    }
  });

  it('keeps accounts and keys between runs, in files that only their owner reads', async () => {
    expect(await ensureAccounts(dir)).to.deep.equal(accounts);
    expect((await stat(accountsFile(dir))).mode & 0o777).to.equal(0o600);
    const other = await start();
    try {
      const keys = async (issuer: string) => (await fetch(`${issuer}/jwks`)).json();
      expect(await keys(other.issuer)).to.deep.equal(await keys(server.issuer));
    } finally {
      await other.close();
    }
  });
});
