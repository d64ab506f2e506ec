import { AppError } from '@wardstone/rpc';
import {
  connectionReset,
  jsonError,
  startWireServer,
  testAwsRegion as region,
  useTestAwsCredentials,
  type WireAnswer,
  type WireServer,
} from '@wardstone/testing/aws';
import { expect } from 'chai';
import { createAwsKms } from '../src/adapters/aws-kms.ts';
import type { KeyManagementService } from '../src/ports.ts';
import { reasonOf } from './support.ts';

const keyId = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const tenantId = '01890000-0000-7000-8000-00000000000a';
const encryptionContext = { tenant: tenantId };
const wrapped = Buffer.from('wrapped');

/** As https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html and the operations' own pages have them. */
const refusals: [string, WireAnswer, string][] = [
  ['throttling', jsonError(400, 'ThrottlingException', 'Rate exceeded'), 'KMS_THROTTLED'],
  [
    'no right',
    jsonError(400, 'AccessDeniedException', 'User is not authorized to perform: kms:Decrypt'),
    'KMS_ACCESS_DENIED',
  ],
  [
    'unknown credentials',
    jsonError(400, 'UnrecognizedClientException', 'The security token is invalid.'),
    'KMS_ACCESS_DENIED',
  ],
  [
    'a wrong secret',
    jsonError(400, 'InvalidSignatureException', 'The request signature we calculated'),
    'KMS_ACCESS_DENIED',
  ],
  [
    'expired credentials',
    jsonError(400, 'ExpiredTokenException', 'The security token is expired'),
    'CREDENTIALS_EXPIRED',
  ],
  [
    'a slow clock',
    jsonError(400, 'InvalidSignatureException', 'Signature expired: 20261101T000000Z is now earlier'),
    'CLOCK_SKEW',
  ],
  ['a fast clock', jsonError(400, 'InvalidSignatureException', 'Signature not yet current: 2027'), 'CLOCK_SKEW'],
  ['too much skew', jsonError(403, 'RequestTimeTooSkewed'), 'CLOCK_SKEW'],
  ['a disabled key', jsonError(400, 'DisabledException', `${keyId} is disabled.`), 'KEY_DISABLED'],
  [
    'a key that ends',
    jsonError(400, 'KMSInvalidStateException', `${keyId} is pending deletion.`),
    'KEY_PENDING_DELETION',
  ],
  ['a key being made', jsonError(400, 'KMSInvalidStateException', `${keyId} is pending import.`), 'KEY_UNAVAILABLE'],
  ['no key', jsonError(400, 'NotFoundException', `Key '${keyId}' does not exist`), 'KEY_UNAVAILABLE'],
  ['bytes of others', jsonError(400, 'InvalidCiphertextException'), 'SEALED_VALUE_INVALID'],
  ['another key', jsonError(400, 'IncorrectKeyException'), 'SEALED_VALUE_INVALID'],
  ['a fault of KMS', jsonError(500, 'KMSInternalException'), 'KEY_UNAVAILABLE'],
  [
    'a fault of something between',
    (response) => response.writeHead(502).end('<html>bad gateway</html>'),
    'KEY_UNAVAILABLE',
  ],
  ['a broken connection', connectionReset, 'KEY_UNAVAILABLE'],
  ['a malformed request', jsonError(400, 'ValidationException', '1 validation error detected'), 'INTERNAL'],
];

describe('AWS KMS: errors on the wire', () => {
  useTestAwsCredentials();
  let answer: WireAnswer;
  let server: WireServer;
  let kms: KeyManagementService;
  beforeEach(async () => {
    server = await startWireServer((response, request) => {
      answer(response, request);
    });
    kms = createAwsKms({ region, endpoint: server.endpoint, aliasPrefix: 'wardstone', tags: {} });
  });
  afterEach(() => server.close());

  const operations = (): string[] => server.requests.map(({ operation }) => operation);

  for (const [title, refusal, reason] of refusals) {
    it(`${title}: ${reason}`, async () => {
      answer = refusal;
      const works = [
        kms.decrypt({ keyId, wrapped, encryptionContext }),
        kms.reEncrypt({ keyId, wrapped, encryptionContext }),
        kms.generateDataKey({ keyId, encryptionContext }),
      ];
      expect(await Promise.all(works.map(reasonOf))).to.deep.equal([reason, reason, reason]);
    });
  }

  it('asks three times when waiting may help, and once when it does not', async () => {
    answer = jsonError(400, 'ThrottlingException');
    await reasonOf(kms.decrypt({ keyId, wrapped, encryptionContext }));
    expect(server.requests).to.have.length(3);
    answer = jsonError(400, 'AccessDeniedException');
    await reasonOf(kms.decrypt({ keyId, wrapped, encryptionContext }));
    expect(server.requests).to.have.length(4);
  });

  it('says when to come back, and not to come back with what an operator has to mend', async () => {
    const failureOf = async (refusal: WireAnswer): Promise<AppError> => {
      answer = refusal;
      return AppError.from(await kms.check().catch((error: unknown) => error));
    };
    expect(await failureOf(jsonError(400, 'ThrottlingException'))).to.include({ status: 503, retryAfterMs: 2_000 });
    const denied = await failureOf(jsonError(400, 'AccessDeniedException'));
    expect(denied).to.include({ status: 500, retryAfterMs: undefined });
  });

  it('recovers within a call from one refusal that waiting helps against', async () => {
    let refused = false;
    answer = (response, request) => {
      if (!refused) {
        refused = true;
        connectionReset(response, request);
        return;
      }
      jsonAnswer({ Plaintext: Buffer.alloc(32, 7).toString('base64') })(response, request);
    };
    expect(await kms.decrypt({ keyId, wrapped, encryptionContext })).to.deep.equal(new Uint8Array(32).fill(7));
  });

  it('names key and context in every request, and never an alias', async () => {
    answer = jsonAnswer({ Plaintext: 'AA==', CiphertextBlob: 'AA==' });
    await kms.decrypt({ keyId, wrapped, encryptionContext });
    await kms.reEncrypt({ keyId, wrapped, encryptionContext });
    await kms.generateDataKey({ keyId, encryptionContext });
    const CiphertextBlob = wrapped.toString('base64');
    expect(server.requests.map(({ body }) => JSON.parse(body.toString()) as unknown)).to.deep.equal([
      { KeyId: keyId, CiphertextBlob, EncryptionContext: encryptionContext },
      {
        CiphertextBlob,
        SourceKeyId: keyId,
        SourceEncryptionContext: encryptionContext,
        DestinationKeyId: keyId,
        DestinationEncryptionContext: encryptionContext,
      },
      { KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: encryptionContext },
    ]);
    expect(await reasonOf(kms.generateDataKey({ keyId: 'alias/wardstone/x', encryptionContext }))).to.equal(
      'KEY_UNAVAILABLE',
    );
    expect(server.requests).to.have.length(3);
  });

  it('takes a state that forbids a change for what it says', async () => {
    answer = (response, request) => {
      const described = jsonAnswer({ KeyMetadata: { KeyId: keyId, Arn: keyId, KeyState: 'Enabled' } });
      const refused = jsonError(400, 'KMSInvalidStateException', `${keyId} is pending deletion.`);
      (request.operation === 'DescribeKey' ? described : refused)(response, request);
    };
    await kms.disableKey(keyId);
    await kms.cancelDeletion(keyId);
    expect(await reasonOf(kms.enableKey(keyId))).to.equal('KEY_PENDING_DELETION');
    expect(operations()).to.deep.equal(['DescribeKey', 'DisableKey', 'CancelKeyDeletion', 'EnableKey']);
  });

  it('does not call a key that is being made, or whose store is away, usable or gone', async () => {
    for (const KeyState of ['Creating', 'Unavailable', 'PendingImport']) {
      answer = jsonAnswer({ KeyMetadata: { KeyId: keyId, Arn: keyId, KeyState } });
      expect(await reasonOf(kms.describeKey(keyId)), KeyState).to.equal('KEY_UNAVAILABLE');
    }
  });

  it('is usable when KMS says that there is no such alias, and not when it says nothing', async () => {
    answer = jsonError(400, 'NotFoundException', 'Alias is not found.');
    await kms.check();
    answer = jsonError(400, 'ExpiredTokenException');
    expect(await reasonOf(kms.check())).to.equal('CREDENTIALS_EXPIRED');
  });

  it('retires a key that it could not give its name to, and says why', async () => {
    answer = (response, request) => {
      const answers: Record<string, WireAnswer> = {
        DescribeKey: jsonError(400, 'NotFoundException'),
        CreateKey: jsonAnswer({ KeyMetadata: { KeyId: keyId, Arn: keyId } }),
        EnableKeyRotation: jsonError(400, 'AccessDeniedException'),
        ScheduleKeyDeletion: jsonAnswer({ KeyId: keyId, DeletionDate: 1_900_000_000 }),
      };
      answers[request.operation]?.(response, request);
    };
    expect(await reasonOf(kms.createKey(tenantId))).to.equal('KMS_ACCESS_DENIED');
    expect(operations()).to.deep.equal(['DescribeKey', 'CreateKey', 'EnableKeyRotation', 'ScheduleKeyDeletion']);
  });
});

function jsonAnswer(body: unknown): WireAnswer {
  return (response) => {
    response.writeHead(200, { 'Content-Type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(body));
  };
}
