import { AppError, type Reason } from '@wardstone/rpc';

const realm = 'wardstone';

/** The bearer token of an Authorization header (RFC 6750 §2.1). Thrown: UNAUTHENTICATED when there is none. */
export function bearerToken(authorization: string | undefined): string {
  const match = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? '');
  if (match?.[1] === undefined) throw new AppError('UNAUTHENTICATED');
  return match[1];
}

/** The WWW-Authenticate header of a refusal (RFC 6750 §3); undefined for what another token would not mend. */
export function challenge(reason: Reason): string | undefined {
  switch (reason) {
    case 'UNAUTHENTICATED':
      return `Bearer realm="${realm}"`;
    case 'TOKEN_EXPIRED':
      return `Bearer realm="${realm}", error="invalid_token", error_description="The token has expired"`;
    case 'TOKEN_INVALID':
      return `Bearer realm="${realm}", error="invalid_token", error_description="The token is not valid here"`;
    case 'PERMISSION_DENIED':
    case 'TENANT_REQUIRED':
      return `Bearer realm="${realm}", error="insufficient_scope"`;
    default:
      return undefined;
  }
}
