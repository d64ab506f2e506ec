import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errors, type Provider } from 'oidc-provider';
import type { Accounts, SeededUser } from './accounts.ts';
import { contentSecurityPolicy, messagePage, signInPage } from './pages.ts';
import { createProvider } from './provider.ts';
import type { ProviderSecrets } from './signing-keys.ts';

export interface SignInServerOptions {
  readonly host: string;
  readonly port: number;
  /** Public address; the server's own on 127.0.0.1 unless told. */
  readonly issuer?: string | undefined;
  readonly accounts: Accounts;
  readonly secrets: ProviderSecrets;
  readonly accessTokenTtlS: number;
}

export interface SignInServer {
  readonly issuer: string;
  close(): Promise<void>;
}

const maxFormBytes = 4096;
const maxAttempts = 5;
const maxTrackedInteractions = 1000;
const requestTimeoutMs = 30_000;

/** Serves the provider and its sign-in page. */
export async function startSignInServer(options: SignInServerOptions): Promise<SignInServer> {
  const server = createServer({ requestTimeout: requestTimeoutMs });
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  const issuer = options.issuer ?? `http://127.0.0.1:${port}`;
  const provider = createProvider({ ...options, issuer });
  const serveProvider = provider.callback();
  const signIn = createSignIn(provider, options.accounts);
  server.on('request', (request, response) => {
    if (!URL.canParse(request.url ?? '/', issuer)) {
      response.writeHead(400).end();
      return;
    }
    const url = new URL(request.url ?? '/', issuer);
    if (url.pathname === '/readyz' || url.pathname === '/livez') response.writeHead(200).end('ok\n');
    else if (url.pathname.startsWith('/interaction/')) void signIn(request, response, url.pathname);
    else void serveProvider(request, response);
  });
  return {
    issuer,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      );
    },
  };
}

async function listen(server: Server, { host, port }: SignInServerOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
}

/**
 * The sign-in page. oidc-provider binds each interaction to a signed, http-only, same-site cookie and to the path, and
 * interactionDetails checks both: a form posted from another site carries no cookie and is refused.
 */
function createSignIn(provider: Provider, accounts: Accounts) {
  const attempts = new Map<string, number>();

  async function answer(request: IncomingMessage, response: ServerResponse, action: string): Promise<void> {
    const { uid, prompt } = await provider.interactionDetails(request, response);
    if (`/interaction/${uid}` !== action || prompt.name !== 'login') throw new errors.SessionNotFound('not this one');
    if (request.method === 'GET') return send(response, 200, signInPage({ action, failed: false }));
    if (request.method !== 'POST') return send(response, 405, messagePage('Method not allowed.'));

    const count = (attempts.get(uid) ?? 0) + 1;
    attempts.set(uid, count);
    forgetOldest(attempts);
    if (count > maxAttempts) return send(response, 429, messagePage('Too many attempts. Start the sign-in again.'));
    const form = await readForm(request);
    const user = checkPassword(accounts, form.get('username') ?? '', form.get('password') ?? '');
    if (user === undefined) return send(response, 401, signInPage({ action, failed: true }));
    attempts.delete(uid);
    await provider.interactionFinished(request, response, { login: { accountId: user.subject, amr: ['pwd'] } });
  }

  return async (request: IncomingMessage, response: ServerResponse, action: string): Promise<void> => {
    try {
      await answer(request, response, action);
    } catch (error) {
      const expected = error instanceof errors.OIDCProviderError || error instanceof FormError;
      if (!expected) console.error(error instanceof Error ? `${error.name}: ${error.message}` : 'unknown error');
      if (response.headersSent) response.destroy();
      else send(response, expected ? 400 : 500, messagePage('This sign-in is no longer good. Start it again.'));
    }
  };
}

function send(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': contentSecurityPolicy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  });
  response.end(html);
}

class FormError extends Error {
  override readonly name = 'FormError';
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxFormBytes) throw new FormError('The form is too large.');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

/** Takes the same time for a user who does not exist. */
function checkPassword(accounts: Accounts, username: string, password: string): SeededUser | undefined {
  const user = accounts.users.find((candidate) => candidate.username === username);
  const right = timingSafeEqual(digest(password), digest(user?.password ?? ''));
  return right && user !== undefined && password !== '' ? user : undefined;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function forgetOldest(attempts: Map<string, number>): void {
  const oldest = attempts.keys().next();
  if (attempts.size > maxTrackedInteractions && oldest.done !== true) attempts.delete(oldest.value);
}
