/** How a tenant comes to its key in AWS KMS: found by its alias, made when there is none, and never two of them. */
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  EnableKeyRotationCommand,
  ScheduleKeyDeletionCommand,
  type KMSClient,
} from '@aws-sdk/client-kms';
import { tenantKeyAlias } from '@wardstone/aws';
import { AppError } from '@wardstone/rpc';
import { deletionWindow } from '../domain/tenant.ts';
import { unless } from './aws-kms-errors.ts';

/** What new keys are made with. */
export interface NewKeyOptions {
  readonly aliasPrefix: string;
  /** Beside `wardstone:tenant`. */
  readonly tags: Readonly<Record<string, string>>;
  /** A key policy in JSON with `{{tenantId}}` where the tenant's id belongs; the account's default without it. */
  readonly keyPolicy?: string | undefined;
}

/** What a call is sent with. */
export type CallOptions = () => { readonly abortSignal: AbortSignal };

/** Looks at an alias that another process has just made; KMS may take a moment to show it. */
const looks = 8;
const firstLookDelayMs = 50;

/**
 * The ARN of the tenant's key. The alias comes last, when the key is complete: who finds the alias finds a key that rotates.
 * Of several that make the key at once one has the alias; the others schedule the deletion of theirs, and use that one. A
 * crash before the alias, or an answer that was lost, leaves a key that nobody uses: with the tag `wardstone:tenant`, and
 * without an alias.
 */
export async function findOrCreateKey(
  client: KMSClient,
  tenantId: string,
  options: NewKeyOptions,
  call: CallOptions,
): Promise<string> {
  const alias = tenantKeyAlias(options.aliasPrefix, tenantId);
  const found = await findByAlias(client, alias, call);
  if (found !== undefined) return found;
  const made = await createKey(client, tenantId, options, call);
  if (await nameKey(client, made, alias, call)) return made;
  await retire(client, made, call);
  for (let look = 0; look < looks; look += 1) {
    const winner = await findByAlias(client, alias, call);
    if (winner !== undefined) return winner;
    await new Promise((resolve) => setTimeout(resolve, firstLookDelayMs * 2 ** look));
  }
  throw new AppError('KEY_UNAVAILABLE', { cause: new Error('the alias is taken and names no key') });
}

async function findByAlias(client: KMSClient, alias: string, call: CallOptions): Promise<string | undefined> {
  const answer = await unless('NotFoundException', () => client.send(new DescribeKeyCommand({ KeyId: alias }), call()));
  return answer?.KeyMetadata?.Arn;
}

async function createKey(
  client: KMSClient,
  tenantId: string,
  { tags, keyPolicy }: NewKeyOptions,
  call: CallOptions,
): Promise<string> {
  const all = { ...tags, 'wardstone:tenant': tenantId };
  const { KeyMetadata } = await client.send(
    new CreateKeyCommand({
      Description: `Wardstone: data of tenant ${tenantId}`,
      KeySpec: 'SYMMETRIC_DEFAULT',
      KeyUsage: 'ENCRYPT_DECRYPT',
      Tags: Object.entries(all).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      ...(keyPolicy === undefined ? {} : { Policy: keyPolicy.replaceAll('{{tenantId}}', tenantId) }),
    }),
    call(),
  );
  const keyId = KeyMetadata?.Arn;
  if (keyId === undefined) throw new AppError('KEY_UNAVAILABLE', { cause: new Error('a key without an ARN') });
  return keyId;
}

/** Turns rotation on and gives the alias. False when another key has it. Whatever else fails, the key is retired. */
async function nameKey(client: KMSClient, keyId: string, alias: string, call: CallOptions): Promise<boolean> {
  try {
    await client.send(new EnableKeyRotationCommand({ KeyId: keyId }), call());
    const named = await unless('AlreadyExistsException', () =>
      client.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId }), call()),
    );
    return named !== undefined;
  } catch (error) {
    await retire(client, keyId, call);
    throw error;
  }
}

/** A key that nothing was encrypted under. When it cannot be scheduled it stays, as after a crash: found by its tag, used by nobody. */
async function retire(client: KMSClient, keyId: string, call: CallOptions): Promise<void> {
  const KeyId = keyId.replace(/^.*:key\//, '');
  const command = new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: deletionWindow.minDays });
  await client.send(command, call()).catch(() => undefined);
}
