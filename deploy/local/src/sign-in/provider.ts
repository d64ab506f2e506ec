import { Provider, interactionPolicy, type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import { consoleClientId, type Accounts } from './accounts.ts';
import type { ProviderSecrets } from './signing-keys.ts';

export interface ProviderOptions {
  /** Exact issuer of every token, and the address that browsers and services reach it by. */
  readonly issuer: string;
  readonly accounts: Accounts;
  readonly secrets: ProviderSecrets;
  /** Lifetime of access tokens, 15 to 60 minutes. */
  readonly accessTokenTtlS: number;
}

/** The one resource server: access tokens are JWTs for this audience. */
export const audience = 'wardstone';
const resource = 'urn:wardstone:api';
const apiScope = 'wardstone';
const sessionTtlS = 8 * 60 * 60;
const interactionTtlS = 10 * 60;

/**
 * A real OpenID provider (oidc-provider) with the seeded accounts: authorization code with PKCE for people, client
 * credentials for teams' programs. It asks no one for consent, because every client is ours.
 */
export function createProvider(options: ProviderOptions): Provider {
  const provider = new Provider(options.issuer, configuration(options));
  // Errors of requests are the client's; errors of ours go to the log without the request that caused them.
  provider.on('server_error', (_ctx: KoaContextWithOIDC, error: Error) => {
    console.error(`${error.name}: ${error.message}`);
  });
  return provider;
}

function configuration({ accounts, secrets, accessTokenTtlS }: ProviderOptions): Configuration {
  const subjects = new Map(accounts.users.map((user) => [user.subject, user]));
  const clients = new Map(accounts.clients.map((client) => [client.clientId, client]));
  return {
    clients: [consoleClient(), ...accounts.clients.map((client) => teamClient(client.clientId, client.clientSecret))],
    jwks: { keys: secrets.keys },
    cookies: { keys: [secrets.cookieSecret] },
    scopes: ['openid'],
    pkce: { required: () => true },
    responseTypes: ['code'],
    findAccount: (_ctx, id) => (subjects.has(id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
    extraTokenClaims: (_ctx, token) => {
      const account = token.kind === 'AccessToken' ? subjects.get(token.accountId) : clients.get(token.clientId ?? '');
      if (account === undefined) return undefined;
      const tenant = account.tenantId === undefined ? {} : { wardstone_tenant: account.tenantId };
      return { ...tenant, wardstone_roles: account.roles };
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, indicator) => {
          if (indicator !== resource) throw new Error('unknown resource');
          return {
            scope: apiScope,
            audience,
            accessTokenTTL: accessTokenTtlS,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
    },
    interactions: { policy: signInPolicy(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: grantEverything,
    ttl: {
      AccessToken: accessTokenTtlS,
      ClientCredentials: accessTokenTtlS,
      IdToken: accessTokenTtlS,
      Interaction: interactionTtlS,
      Session: sessionTtlS,
      Grant: sessionTtlS,
    },
  };
}

/** Loopback redirects may use any port (RFC 8252, section 7.3), which `native` clients are allowed to. */
function consoleClient() {
  return {
    client_id: consoleClientId,
    application_type: 'native' as const,
    token_endpoint_auth_method: 'none' as const,
    grant_types: ['authorization_code'],
    response_types: ['code' as const],
    redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
  };
}

function teamClient(clientId: string, clientSecret: string) {
  return {
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  };
}

function signInPolicy() {
  const policy = interactionPolicy.base();
  // Ours is the only native client: asking its user for consent each time would protect nobody.
  policy.get('consent')?.checks.remove('native_client_prompt');
  return policy;
}

async function grantEverything(ctx: KoaContextWithOIDC) {
  const { client, session, provider, result } = ctx.oidc;
  if (client === undefined || session?.accountId === undefined) return undefined;
  const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  if (known !== undefined) return provider.Grant.find(known);
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid');
  grant.addResourceScope(resource, apiScope);
  await grant.save();
  return grant;
}
