import { randomUUID } from 'node:crypto';
import { DescribeKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { eventually } from '@wardstone/testing';
import { awsSuite, testAwsRegion as region } from '@wardstone/testing/aws';
import { expect } from 'chai';
import { notePdf, syntheticNote } from '../src/documents.ts';
import type { ProblemView } from '../src/rest.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';

awsSuite('the platform on S3 and AWS KMS', (endpoint) => {
  const Bucket = `wardstone-e2e-${randomUUID()}`;
  const aliasPrefix = `wardstone-e2e-${randomUUID()}`;
  const note = syntheticNote(3, 'Cloud');
  let s3: S3Client;
  let kms: KMSClient;
  let stack: Stack;
  let pdf: Buffer;

  before(async function () {
    this.timeout(180_000);
    s3 = new S3Client({ region, endpoint, forcePathStyle: true });
    kms = new KMSClient({ region, endpoint });
    await s3.send(new CreateBucketCommand({ Bucket }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    const aws = {
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      WARDSTONE_KMS_ALIAS_PREFIX: aliasPrefix,
    };
    const objects = {
      ...aws,
      WARDSTONE_OBJECTS_DIR: '',
      WARDSTONE_S3_BUCKET: Bucket,
      WARDSTONE_S3_REGION: region,
      WARDSTONE_S3_ENDPOINT: endpoint,
      WARDSTONE_S3_PATH_STYLE: 'on',
    };
    const keys = { ...aws, WARDSTONE_KMS_DIR: '', WARDSTONE_KMS_REGION: region, WARDSTONE_KMS_ENDPOINT: endpoint };
    stack = await startStack('aws-stores', {
      'tenant-key': keys,
      ingestion: objects,
      embedding: objects,
      retrieval: objects,
    });
    pdf = await notePdf(note);
  });
  after(async () => {
    await stack.stop();
    s3.destroy();
    kms.destroy();
  });

  /** Keys of every version and delete marker of a document. */
  const stored = async (documentId: string): Promise<string[]> => {
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    const keys = [...Versions, ...DeleteMarkers].map(({ Key = '' }) => Key);
    return keys.filter((key) => key.includes(`/documents/${documentId}/`));
  };
  const contentOf = (documentId: string) =>
    stack.as('north-clinician').call<unknown>('GET', `/v1/documents/${documentId}/content`);

  it('takes a document in, finds it, gives it back, and leaves nothing of it when it is deleted', async () => {
    const rest = stack.as('north-clinician');
    const { documentId } = await ingest(rest, note.fileName, pdf, note.title);
    const { body } = await rest.search(note.question);
    expect(body.hits.map((hit) => hit.documentId)).to.include(documentId);
    expect((await contentOf(documentId)).status).to.equal(200);

    // The artefacts of the pipeline are gone with all their versions; what is left is sealed by us, then by S3.
    const [original = '', ...others] = await stored(documentId);
    expect([original.replace(/^.*\//, ''), ...others]).to.deep.equal(['original']);
    const tenantId = original.split('/')[1] ?? '';
    const { Body, ServerSideEncryption, SSEKMSKeyId } = await s3.send(new GetObjectCommand({ Bucket, Key: original }));
    expect([ServerSideEncryption, SSEKMSKeyId]).to.deep.equal(['aws:kms', `alias/${aliasPrefix}/${tenantId}`]);
    expect(Buffer.from((await Body?.transformToByteArray()) ?? []).includes('%PDF')).to.equal(false);

    expect((await rest.call('DELETE', `/v1/documents/${documentId}`)).status).to.be.within(200, 204);
    await eventually(async () => (await stored(documentId)).length === 0, { timeoutMs: 30_000 });
  }).timeout(120_000);

  it('gives nothing back while the tenant’s key is disabled, says why, and another tenant notices nothing', async () => {
    const [north, lakeside] = [stack.as('north-clinician'), stack.as('lakeside-clinician')];
    const { documentId } = await ingest(north, note.fileName, pdf, note.title);
    const tenantId = (await stored(documentId))[0]?.split('/')[1] ?? '';
    const KeyId = await keyIdOf(`alias/${aliasPrefix}/${tenantId}`);
    await kms.send(new DisableKeyCommand({ KeyId }));
    const refused = await contentOf(documentId);
    expect(refused.status).to.equal(409);
    expect((refused.body as ProblemView).reason).to.equal('KEY_DISABLED');
    await ingest(lakeside, note.fileName, pdf, note.title);
    await kms.send(new EnableKeyCommand({ KeyId }));
    expect((await contentOf(documentId)).status).to.equal(200);
  }).timeout(120_000);

  /** The server takes a key's id for changes of its state, not its alias, as AWS does. */
  async function keyIdOf(alias: string): Promise<string> {
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: alias }));
    return KeyMetadata?.KeyId ?? '';
  }
});
