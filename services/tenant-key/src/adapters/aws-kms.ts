/**
 * AWS KMS: one symmetric customer-managed key per tenant, rotated by KMS, found by its alias. What the platform's role and the
 * key's policy have to allow is in this service's README.
 */
import {
  CancelKeyDeletionCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  GenerateDataKeyCommand,
  KMSClient,
  ReEncryptCommand,
  ScheduleKeyDeletionCommand,
  type KeyMetadata,
} from '@aws-sdk/client-kms';
import { awsClientSettings } from '@wardstone/aws';
import { AppError, needs } from '@wardstone/rpc';
import { isDeletionWindow } from '../domain/tenant.ts';
import type { KeyManagementService, KmsKeyState } from '../ports.ts';
import { inAws, unless } from './aws-kms-errors.ts';
import { findOrCreateKey, type CallOptions, type NewKeyOptions } from './aws-kms-new-key.ts';

/** Where the keys are, and how new ones are made. */
export interface AwsKmsOptions extends NewKeyOptions {
  readonly region: string;
  /** Instead of the address of KMS in the region. */
  readonly endpoint?: string | undefined;
}

const requestTimeoutMs = 3_000;
/** Of one call with all its attempts and pauses. */
const callTimeoutMs = 10_000;
const maxConnections = 50;
/** The longest ciphertext that KMS takes. */
const maxWrappedBytes = 6_144;

/** An alias would do for AWS, but names another key when it is moved: what is stored with a wrapped key is the key's own ARN. */
const keyArnPattern = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/[A-Za-z0-9-]{1,64}$/;

const usableStates: Readonly<Record<string, KmsKeyState>> = {
  Enabled: 'enabled',
  Updating: 'enabled',
  Disabled: 'disabled',
  PendingDeletion: 'pending-deletion',
  PendingReplicaDeletion: 'pending-deletion',
};

/** The service over AWS KMS. Credentials come from the SDK's default chain. Nothing is sent before the first call. */
export function createAwsKms(options: AwsKmsOptions): KeyManagementService {
  const { region, endpoint } = options;
  const client = new KMSClient(awsClientSettings({ region, endpoint, requestTimeoutMs, maxConnections }));
  const call: CallOptions = () => ({ abortSignal: AbortSignal.timeout(callTimeoutMs) });

  return {
    createKey: (tenantId) => inAws(async () => ({ keyId: await findOrCreateKey(client, tenantId, options, call) })),
    ...wrapping(client, call),
    ...states(client, call),
    check: () =>
      inAws(async () => {
        // There need not be such an alias: that KMS says so, to these credentials, is what is asked for.
        const probe = new DescribeKeyCommand({ KeyId: `alias/${options.aliasPrefix}/check` });
        await unless('NotFoundException', () => client.send(probe, call()));
      }),
  };
}

function wrapping(
  client: KMSClient,
  call: CallOptions,
): Pick<KeyManagementService, 'generateDataKey' | 'decrypt' | 'reEncrypt'> {
  return {
    generateDataKey: ({ keyId, encryptionContext: EncryptionContext }) =>
      inAws(async () => {
        const KeyId = checkedKeyId(keyId);
        const command = new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext });
        const { Plaintext, CiphertextBlob } = await client.send(command, call());
        return { plaintext: bytesOf(Plaintext), wrapped: bytesOf(CiphertextBlob) };
      }),
    decrypt: ({ keyId, wrapped, encryptionContext: EncryptionContext }) =>
      inAws(async () => {
        const request = { KeyId: checkedKeyId(keyId), CiphertextBlob: checkedWrapped(wrapped), EncryptionContext };
        const { Plaintext } = await client.send(new DecryptCommand(request), call());
        return bytesOf(Plaintext);
      }),
    reEncrypt: ({ keyId, wrapped, encryptionContext }) =>
      inAws(async () => {
        const KeyId = checkedKeyId(keyId);
        const command = new ReEncryptCommand({
          CiphertextBlob: checkedWrapped(wrapped),
          SourceKeyId: KeyId,
          SourceEncryptionContext: encryptionContext,
          DestinationKeyId: KeyId,
          DestinationEncryptionContext: encryptionContext,
        });
        const { CiphertextBlob } = await client.send(command, call());
        return bytesOf(CiphertextBlob);
      }),
  };
}

function states(
  client: KMSClient,
  call: CallOptions,
): Pick<KeyManagementService, 'describeKey' | 'disableKey' | 'enableKey' | 'scheduleDeletion' | 'cancelDeletion'> {
  const describe = async (keyId: string): Promise<Described> => {
    if (!keyArnPattern.test(keyId)) return { state: 'deleted' };
    const command = new DescribeKeyCommand({ KeyId: keyId });
    const answer = await unless('NotFoundException', () => client.send(command, call()));
    return answer === undefined ? { state: 'deleted' } : described(answer.KeyMetadata);
  };

  return {
    describeKey: (keyId) => inAws(() => describe(keyId)),
    disableKey: (keyId) =>
      inAws(async () => {
        const KeyId = ownId(keyId);
        // Looked at first: the request must never take the place of a schedule.
        if ((await describe(keyId)).state === 'pending-deletion') return;
        // The state that forbids it is one in which the key cannot be used already.
        await unless('KMSInvalidStateException', () => client.send(new DisableKeyCommand({ KeyId }), call()));
      }),
    enableKey: (keyId) =>
      inAws(async () => {
        await client.send(new EnableKeyCommand({ KeyId: ownId(keyId) }), call());
      }),
    scheduleDeletion: ({ keyId, windowDays }) =>
      inAws(async () => {
        needs(isDeletionWindow(windowDays), 'INTERNAL', { message: 'not a deletion window' });
        const request = { KeyId: ownId(keyId), PendingWindowInDays: windowDays };
        const scheduled = await unless('KMSInvalidStateException', () =>
          client.send(new ScheduleKeyDeletionCommand(request), call()),
        );
        // Scheduled before: what stands is to be read from the key.
        const deletionAt = scheduled?.DeletionDate ?? (await describe(keyId)).deletionAt;
        if (deletionAt === undefined) throw unusable('a scheduled deletion without a date');
        return { deletionAt };
      }),
    cancelDeletion: (keyId) =>
      inAws(async () => {
        const command = new CancelKeyDeletionCommand({ KeyId: ownId(keyId) });
        // Refused for its state: there is no schedule.
        await unless('KMSInvalidStateException', () => client.send(command, call()));
      }),
  };
}

type Described = Awaited<ReturnType<KeyManagementService['describeKey']>>;

/** Thrown: KEY_UNAVAILABLE for a key that is neither usable nor ended: being made, or its key store away. */
function described(metadata: KeyMetadata | undefined): Described {
  const state = usableStates[metadata?.KeyState ?? ''];
  if (state === undefined) throw unusable(`the key is in the state ${metadata?.KeyState ?? 'unknown'}`);
  const deletionAt = metadata?.DeletionDate;
  return state === 'pending-deletion' && deletionAt !== undefined ? { state, deletionAt } : { state };
}

/** Thrown: KEY_UNAVAILABLE when it is no ARN of a key, thus none that this service gave. */
function checkedKeyId(keyId: string): string {
  if (!keyArnPattern.test(keyId)) throw unusable('not the ARN of a KMS key');
  return keyId;
}

/**
 * The key's id without account and region. A key's state can be changed in its own account alone, so that the id says it all,
 * and there are servers beside AWS that take no ARN there. Thrown: as by `checkedKeyId`.
 */
function ownId(keyId: string): string {
  return checkedKeyId(keyId).replace(/^.*:key\//, '');
}

/** Thrown: SEALED_VALUE_INVALID for what KMS would refuse as a malformed request. */
function checkedWrapped(wrapped: Uint8Array): Uint8Array {
  needs(wrapped.byteLength > 0 && wrapped.byteLength <= maxWrappedBytes, 'SEALED_VALUE_INVALID');
  return wrapped;
}

function bytesOf(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw unusable('an answer without the bytes asked for');
  return bytes;
}

function unusable(why: string): AppError {
  return new AppError('KEY_UNAVAILABLE', { cause: new Error(why) });
}
