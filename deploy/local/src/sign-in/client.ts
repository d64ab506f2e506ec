import { createHash, randomBytes } from 'node:crypto';
import { consoleClientId } from './accounts.ts';

/** Who signs in, and where. */
export interface SignInRequest {
  readonly issuer: string;
  readonly username: string;
  readonly password: string;
}

const redirectUri = 'http://127.0.0.1/callback';
const timeoutMs = 15_000;
const maxRedirects = 10;

interface Endpoints {
  readonly authorization: string;
  readonly token: string;
}

/**
 * Signs in as a browser does: authorization code with PKCE over HTTP, cookies and the sign-in form included. Resolves with
 * an access token. Thrown: Error when the provider refuses; it never quotes the password or a token.
 */
export async function signIn(request: SignInRequest): Promise<string> {
  const endpoints = await discover(request.issuer);
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const authorize = new URL(endpoints.authorization);
  authorize.search = new URLSearchParams({
    client_id: consoleClientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid wardstone',
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();

  const browser = new CookieBrowser();
  const formUrl = await browser.follow(authorize.href);
  const posted = await browser.request(formUrl, {
    method: 'POST',
    body: new URLSearchParams({ username: request.username, password: request.password }),
  });
  const next = posted.headers.get('location');
  if (next === null) throw new Error(`The sign-in refused ${request.username} (HTTP ${posted.status}).`);
  const callback = new URL(await browser.follow(new URL(next, formUrl).href));
  const code = callback.searchParams.get('code');
  if (code === null || callback.searchParams.get('state') !== state) {
    throw new Error(`The sign-in gave no code: ${callback.searchParams.get('error') ?? 'no error named'}.`);
  }
  return requestToken(endpoints.token, {
    grant_type: 'authorization_code',
    client_id: consoleClientId,
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
  });
}

/** An access token for a team's program (client credentials). */
export async function clientToken(request: {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
}): Promise<string> {
  const { token } = await discover(request.issuer);
  const credentials = `${encodeURIComponent(request.clientId)}:${encodeURIComponent(request.clientSecret)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return requestToken(token, { grant_type: 'client_credentials', scope: 'wardstone' }, { authorization });
}

async function discover(issuer: string): Promise<Endpoints> {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) throw new Error(`${issuer} has no discovery document (HTTP ${response.status}).`);
  const document = (await response.json()) as Record<string, unknown>;
  const { authorization_endpoint: authorization, token_endpoint: token } = document;
  if (typeof authorization !== 'string' || typeof token !== 'string') throw new Error(`${issuer} names no endpoints.`);
  return { authorization, token };
}

async function requestToken(
  endpoint: string,
  parameters: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers,
    body: new URLSearchParams(parameters),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const body = (await response.json()) as { access_token?: unknown; error?: unknown };
  if (response.ok && typeof body.access_token === 'string') return body.access_token;
  throw new Error(`The provider gave no token (HTTP ${response.status}, ${String(body.error)}).`);
}

/** The little of a browser that a sign-in needs: cookies by name, and redirects within the provider. */
class CookieBrowser {
  readonly #cookies = new Map<string, string>();

  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      ...init,
      headers: { cookie },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const [name = '', value = ''] = pair.split(/=(.*)/s);
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  /** Follows redirects until a page, or the client's own redirect address, is reached; resolves with that address. */
  async follow(start: string): Promise<string> {
    let url = start;
    for (let hops = 0; hops < maxRedirects; hops++) {
      if (url.startsWith(redirectUri)) return url;
      const response = await this.request(url);
      const location = response.headers.get('location');
      if (location === null) {
        if (!response.ok) throw new Error(`The provider answered HTTP ${response.status} while signing in.`);
        return url;
      }
      url = new URL(location, url).href;
    }
    throw new Error('The provider redirects without an end.');
  }
}
