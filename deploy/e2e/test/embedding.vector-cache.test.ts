import path from 'node:path';
import { startTestRedis, type RunningRedis } from '@wardstone/local/checks/redis';
import { repositoryDir } from '@wardstone/local/platform/layout';
import { eventually } from '@wardstone/testing';
import { testAwsRegion } from '@wardstone/testing/aws';
import { type BedrockDouble, startBedrockDouble } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { notePdf, syntheticNote } from '../src/documents.ts';
import { quickKeys } from '../src/lifecycle.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';

// Left out where there is no redis-server; CI has one, and hands on where it listens.
if ((process.env['WARDSTONE_TEST_REDIS_URL'] ?? '') !== '') {
  describe('the cache of vectors on the running platform', function () {
    this.timeout(240_000);
    const dir = path.join(repositoryDir, '.wardstone/test/e2e/vector-cache-redis');
    const note = syntheticNote(1, 'Larkspur');
    let double: BedrockDouble;
    let server: RunningRedis | undefined;
    let redis: Redis;
    let stack: Stack;
    const names = async (tenant: number): Promise<string[]> => {
      const id = stack.platform.accounts.tenants[tenant]?.id ?? 'none';
      return (await redis.keys('*')).filter((name) => name.includes(id));
    };
    /** What the model was asked for while the note came in. */
    const upload = async (username: string): Promise<number> => {
      double.forgetCalls();
      await ingest(stack.as(username), note.fileName, await notePdf(note), note.title);
      return double.calls.length;
    };

    before(async () => {
      double = await startBedrockDouble();
      server = await startTestRedis(dir, true);
      const redisUrl = server?.url ?? '';
      redis = new Redis(redisUrl);
      stack = await startStack('vector-cache', {
        ...quickKeys,
        embedding: {
          WARDSTONE_EMBEDDING_MODEL: 'titan',
          WARDSTONE_BEDROCK_REGION: testAwsRegion,
          WARDSTONE_BEDROCK_ENDPOINT: double.endpoint,
          WARDSTONE_EMBEDDING_CACHE_REDIS_URL: redisUrl,
          ...{ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true' },
        },
      });
    });
    after(async () => {
      await stack.stop();
      redis.disconnect();
      await server?.stop();
      await double.close();
    });

    it('spares the model what it has embedded before for the same tenant, and nobody else', async () => {
      const asked = await upload('north-clinician');
      expect(asked).to.be.greaterThan(0);
      expect(await upload('north-clinician')).to.equal(0);
      expect(await upload('lakeside-clinician')).to.equal(asked);
      const [north, lakeside] = [await names(0), await names(1)];
      expect([north.length, lakeside.length]).to.deep.equal([asked, asked]);
      const { status, body } = await stack.as('north-clinician').search(note.question, { topK: 5 });
      expect(status).to.equal(200);
      expect(body.hits.filter(({ text }) => text.includes(note.answer))).to.have.length.of.at.least(2);
    });

    it('loses what it holds of a tenant that leaves, and nothing of another', async () => {
      const tenantId = stack.platform.accounts.tenants[0]?.id ?? '';
      const offboarding = `/v1/tenants/${tenantId}/offboarding`;
      const [first, second] = [stack.as('north-tenant-admin'), stack.as('north-tenant-admin-2')];
      const requested = await first.call<{ offboardingId: string }>('POST', offboarding);
      const { offboardingId } = requested.body;
      expect(await names(0)).not.to.deep.equal([]);
      const approved = await second.call('POST', `${offboarding}/approval`, { json: { offboardingId } });
      expect(approved.status).to.equal(200);
      await eventually(async () => (await names(0)).length === 0, {
        timeoutMs: 60_000,
        description: 'the entries of the tenant to be gone',
      });
      expect(await names(1)).not.to.deep.equal([]);
    });

    it('may be away: documents come in, and are paid for', async () => {
      redis.disconnect();
      await server?.stop();
      expect(await upload('lakeside-clinician')).to.be.greaterThan(0);
    });
  });
}
