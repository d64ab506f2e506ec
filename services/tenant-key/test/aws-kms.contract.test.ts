import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  KMSClient,
  ListKeysCommand,
  ListResourceTagsCommand,
} from '@aws-sdk/client-kms';
import { awsSuite, testAwsRegion as region } from '@wardstone/testing/aws';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { createAwsKms } from '../src/adapters/aws-kms.ts';
import { kmsContract } from './kms.contract.ts';

awsSuite('AWS KMS', (endpoint) => {
  const options = { region, endpoint, aliasPrefix: 'wardstone-test', tags: { team: 'clinical data' } };
  kmsContract('AWS KMS', () => Promise.resolve({ kms: createAwsKms(options), close: () => Promise.resolve() }));

  describe('the key of a tenant', () => {
    let client: KMSClient;
    before(() => {
      client = new KMSClient({ region, endpoint });
    });
    after(() => {
      client.destroy();
    });

    const allKeys = async (): Promise<string[]> => {
      const ids: string[] = [];
      for (let marker: string | undefined; ;) {
        const page = await client.send(new ListKeysCommand({ Marker: marker }));
        ids.push(...(page.Keys ?? []).map(({ KeyArn = '' }) => KeyArn));
        if (page.Truncated !== true) return ids;
        marker = page.NextMarker;
      }
    };
    const stateOf = async (KeyId: string): Promise<string | undefined> =>
      (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState;

    it('has the alias, the tags and the rotation that operators look for', async () => {
      const tenantId = uuidv7();
      const { keyId } = await createAwsKms(options).createKey(tenantId);
      const alias = `alias/wardstone-test/${tenantId}`;
      const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: alias }));
      expect(KeyMetadata).to.deep.include({ Arn: keyId, KeySpec: 'SYMMETRIC_DEFAULT', KeyManager: 'CUSTOMER' });
      const { Tags = [] } = await client.send(new ListResourceTagsCommand({ KeyId: keyId }));
      expect(Object.fromEntries(Tags.map(({ TagKey = '', TagValue = '' }) => [TagKey, TagValue]))).to.deep.equal({
        'wardstone:tenant': tenantId,
        team: 'clinical data',
      });
      const rotation = await client.send(new GetKeyRotationStatusCommand({ KeyId: keyId }));
      expect(rotation.KeyRotationEnabled).to.equal(true);
    });

    it('has the policy of the template, with its own tenant in it', async () => {
      const tenantId = uuidv7();
      const statement = { Sid: 'of {{tenantId}}', Effect: 'Allow', Action: 'kms:*', Resource: '*' };
      const Principal = { AWS: 'arn:aws:iam::111122223333:root' };
      const keyPolicy = JSON.stringify({ Version: '2012-10-17', Statement: [{ ...statement, Principal }] });
      const { keyId } = await createAwsKms({ ...options, keyPolicy }).createKey(tenantId);
      const { Policy = '' } = await client.send(new GetKeyPolicyCommand({ KeyId: keyId, PolicyName: 'default' }));
      expect(Policy).to.equal(keyPolicy.replace('{{tenantId}}', tenantId));
    });

    it('is one when many make it at once: the keys that lost are scheduled for deletion', async () => {
      const tenantId = uuidv7();
      const earlier = new Set(await allKeys());
      const made = await Promise.all(Array.from({ length: 6 }, () => createAwsKms(options).createKey(tenantId)));
      const keyIds = new Set(made.map(({ keyId }) => keyId));
      expect(keyIds.size).to.equal(1);
      for (const keyId of (await allKeys()).filter((id) => !earlier.has(id))) {
        expect(await stateOf(keyId)).to.equal(keyIds.has(keyId) ? 'Enabled' : 'PendingDeletion');
      }
    });

    it('is the one that has the alias, also when somebody else made it', async () => {
      const tenantId = uuidv7();
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
      const AliasName = `alias/wardstone-test/${tenantId}`;
      await client.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyMetadata?.KeyId }));
      expect(await createAwsKms(options).createKey(tenantId)).to.deep.equal({ keyId: KeyMetadata?.Arn });
    });
  });
});
