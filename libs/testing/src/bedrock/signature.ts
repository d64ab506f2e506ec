/** Whether a request is signed as AWS asks (Signature Version 4), and what AWS answers when it is not. */
import { createHash } from 'node:crypto';
import { Sha256 } from '@smithy/core/checksum';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import { BedrockRefusal } from './errors.ts';

/** Whose signatures are good. */
export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A request as its bytes came. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  /** In lower case, `host` among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const service = 'bedrock';
const maxSkewMs = 5 * 60_000;

const authorizationPattern =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/** Thrown: BedrockRefusal, as AWS refuses it. `now` is the server's clock. */
export async function checkSignature(
  request: SignedRequest,
  credentials: SigningCredentials,
  region: string,
  now: Date,
): Promise<void> {
  const { authorization } = request.headers;
  if (authorization === undefined) {
    throw new BedrockRefusal('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const [, keyId, , scopeRegion, scopeService, names = '', signature] = authorizationPattern.exec(authorization) ?? [];
  const signedAt = dateOf(request.headers['x-amz-date']);
  if (signature === undefined || signedAt === undefined) {
    const message = 'Authorization header requires existence of either a X-Amz-Date or a Date header.';
    throw new BedrockRefusal('IncompleteSignatureException', message);
  }
  if (keyId !== credentials.accessKeyId || request.headers['x-amz-security-token'] !== credentials.sessionToken) {
    throw new BedrockRefusal('UnrecognizedClientException', 'The security token included in the request is invalid.');
  }
  if (scopeRegion !== region) throw wrong('Credential should be scoped to a valid region. ');
  if (scopeService !== service) throw wrong(`Credential should be scoped to correct service: '${service}'. `);
  checkTime(signedAt, now);
  const expected = await signatureOf(request, names.split(';'), { credentials, region, signedAt });
  if (expected !== signature) {
    throw wrong(
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key ' +
        'and signing method. Consult the service documentation for details.',
    );
  }
}

function checkTime(signedAt: Date, now: Date): void {
  const skewMs = signedAt.getTime() - now.getTime();
  if (Math.abs(skewMs) <= maxSkewMs) return;
  const [signed, current] = [compact(signedAt), compact(now)];
  const bound = compact(new Date(now.getTime() + Math.sign(skewMs) * maxSkewMs));
  throw wrong(
    skewMs < 0
      ? `Signature expired: ${signed} is now earlier than ${bound} (${current} - 5 min.)`
      : `Signature not yet current: ${signed} is still later than ${bound} (${current} + 5 min.)`,
  );
}

/** Signs what came once more. The body's own hash counts, whatever the header says of it. */
async function signatureOf(
  request: SignedRequest,
  signedHeaders: readonly string[],
  by: { readonly credentials: SigningCredentials; readonly region: string; readonly signedAt: Date },
): Promise<string | undefined> {
  const headers: Record<string, string> = {};
  for (const name of signedHeaders) headers[name] = request.headers[name] ?? '';
  const bodyHash = createHash('sha256').update(request.body).digest('hex');
  if ((request.headers['x-amz-content-sha256'] ?? bodyHash) !== bodyHash) return undefined;
  const signer = new SignatureV4({
    service,
    region: by.region,
    credentials: by.credentials,
    sha256: Sha256,
    applyChecksum: false,
  });
  const { method, path, body } = request;
  const signed = await signer.sign(new HttpRequest({ method, path, headers, body }), { signingDate: by.signedAt });
  return authorizationPattern.exec(signed.headers['authorization'] ?? '')?.[6];
}

function dateOf(text = ''): Date | undefined {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function compact(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function wrong(message: string): BedrockRefusal {
  return new BedrockRefusal('InvalidSignatureException', message);
}
