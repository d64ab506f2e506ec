import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** Claims of a test token; what is left out is what a well-made token has. */
export interface TestTokenOptions {
  readonly subject?: string;
  /** Left out for principals of the platform. */
  readonly tenantId?: string;
  readonly roles?: readonly string[];
  readonly purposeOfUse?: string;
  /** Makes the token a client's own: `client_id` equals the subject. */
  readonly client?: boolean;
  readonly issuer?: string;
  readonly audience?: string;
  readonly typ?: string;
  /** Makes the token as Cognito does: no `aud` and no `typ`, but `token_use` and this `client_id`. */
  readonly cognito?: { readonly clientId: string; readonly tokenUse: string };
  /** Seconds from now; negative for a token that has expired. */
  readonly expiresInSeconds?: number;
  /** Seconds from now, 0 unless told. */
  readonly issuedInSeconds?: number;
  /** Signs with a key that is not published. */
  readonly foreignKey?: boolean;
}

/** A token issuer for tests: it signs what it is asked to. It is no OpenID provider; deploy/local runs a real one. */
export interface TestIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUri: string;
  token(options?: TestTokenOptions): Promise<string>;
  /** How often the published keys were read. */
  keyRequests(): number;
  close(): Promise<void>;
}

const algorithm = 'ES256';
const kid = 'test-issuer-1';

/** Publishes one ES256 key and the discovery document over HTTP on a free port. */
export async function startTestIssuer({ audience = 'wardstone' } = {}): Promise<TestIssuer> {
  const published = await generateKeyPair(algorithm, { extractable: true });
  const foreign = await generateKeyPair(algorithm, { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(published.publicKey)), kid, alg: algorithm, use: 'sig' }] };
  let keyRequests = 0;
  let issuer = '';
  const server = createServer((request, response) => {
    const documents: Record<string, unknown> = {
      '/jwks': jwks,
      '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/jwks` },
    };
    const document = documents[request.url ?? ''];
    if (request.url === '/jwks') keyRequests += 1;
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the test issuer has no port');
  issuer = `http://127.0.0.1:${address.port}`;

  return {
    issuer,
    audience,
    jwksUri: `${issuer}/jwks`,
    token: async (options = {}) => {
      const now = Math.floor(Date.now() / 1_000);
      const issuedAt = now + (options.issuedInSeconds ?? 0);
      const subject = options.subject ?? 'user-1';
      const { cognito } = options;
      const token = new SignJWT({
        wardstone_roles: options.roles ?? ['clinician'],
        ...(options.tenantId === undefined ? {} : { wardstone_tenant: options.tenantId }),
        ...(options.purposeOfUse === undefined ? {} : { wardstone_purpose_of_use: options.purposeOfUse }),
        client_id: options.client === true ? subject : 'test-console',
        ...(cognito === undefined ? {} : { client_id: cognito.clientId, token_use: cognito.tokenUse }),
      });
      if (cognito === undefined || options.audience !== undefined) token.setAudience(options.audience ?? audience);
      const typ = options.typ ?? (cognito === undefined ? 'at+jwt' : undefined);
      return token
        .setProtectedHeader({ alg: algorithm, kid, ...(typ === undefined ? {} : { typ }) })
        .setIssuer(options.issuer ?? issuer)
        .setSubject(subject)
        .setIssuedAt(issuedAt)
        .setExpirationTime(now + (options.expiresInSeconds ?? 600))
        .sign(options.foreignKey === true ? foreign.privateKey : published.privateKey);
    },
    keyRequests: () => keyRequests,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
