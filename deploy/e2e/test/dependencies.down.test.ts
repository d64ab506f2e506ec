import { rename } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { startTestRedis, type RunningRedis } from '@wardstone/local/checks/redis';
import { repositoryDir } from '@wardstone/local/platform/layout';
import type { PartName } from '@wardstone/local/platform/platform';
import { eventually } from '@wardstone/testing';
import { notePdf, syntheticNote } from '../src/documents.ts';
import { createRest, type ProblemView, type Reply, type Rest } from '../src/rest.ts';
import { ingest, startStack, type Stack, whenFinished } from '../src/stack.ts';

/** RFC 9457 and RFC 9110, 10.2.3: what a caller is told while something is away. */
function expectUnavailable(reply: Reply<ProblemView>, reason: string): void {
  expect(reply.body.reason).to.equal(reason);
  expect(reply.status).to.equal(503);
  expect(Number(reply.headers.get('retry-after'))).to.be.greaterThan(0);
  expect(reply.headers.get('content-type')).to.contain('application/problem+json');
}

async function upload(rest: Rest, number: number): Promise<Reply<ProblemView & { documentId: string }>> {
  const note = syntheticNote(number, 'Outage');
  const options = { title: note.title, idempotencyKey: `outage-${number}` };
  return (await rest.upload(note.fileName, await notePdf(note), options)) as never;
}

/** Uploads with the same idempotency key until it is accepted, as a client that honours Retry-After does. */
async function uploadUntilAccepted(rest: Rest, number: number): Promise<string> {
  return eventually(
    async () => {
      const reply = await upload(rest, number);
      if (reply.status !== 202) throw new Error(`the upload answered ${reply.status} ${reply.body.reason}`);
      return reply.body.documentId;
    },
    { timeoutMs: 90_000, intervalMs: 300, description: `document ${number} to be accepted` },
  );
}

async function expectAllReady(rest: Rest, ids: readonly string[]): Promise<void> {
  const finished = await Promise.all(ids.map(async (id) => whenFinished(rest, id, 120_000)));
  expect(finished.map(({ state }) => state)).to.deep.equal(ids.map(() => 'READY'));
}

describe('a dependency is down on the running platform', function () {
  this.timeout(240_000);
  let stack: Stack;
  let rest: Rest;
  const note = syntheticNote(0, 'Outage');
  const ask = async (): Promise<Reply<ProblemView>> =>
    rest.call<ProblemView>('POST', '/v1/answers', { json: { question: note.question } });

  before(async () => {
    stack = await startStack('dependencies');
    rest = stack.as('north-clinician');
    await ingest(rest, note.fileName, await notePdf(note), note.title);
  });
  after(async () => stack.stop());

  async function whileDown(part: PartName, work: () => Promise<void>): Promise<void> {
    await stack.platform.stopPart(part);
    try {
      await work();
    } finally {
      await stack.platform.restart(part);
    }
  }

  it('the keys: what is held in memory goes on serving, and a tenant whose keys nobody holds is told', async () => {
    const stranger = stack.as('lakeside-clinician');
    const admin = stack.as('platform-admin');
    // Every service has the keys of this tenant now, for WARDSTONE_KEY_MAX_AGE_MS (five minutes).
    expect((await ask()).status).to.equal(200);
    let accepted: string[] = [];
    await whileDown('tenant-key', async () => {
      expect((await ask()).status).to.equal(200);
      expect((await rest.search(note.question)).status).to.equal(200);
      accepted = [await uploadUntilAccepted(rest, 11)];
      await expectAllReady(rest, accepted);
      expectUnavailable(await upload(stranger, 0), 'KEY_UNAVAILABLE');
      expectUnavailable(await admin.call<ProblemView>('GET', '/v1/tenants'), 'SERVICE_UNAVAILABLE');
    });
    await expectAllReady(stranger, [await uploadUntilAccepted(stranger, 0)]);
  });

  it('ingestion: nothing is shown or taken, searches and answers go on, and all that was accepted arrives', async () => {
    const accepted = [await uploadUntilAccepted(rest, 12)];
    await whileDown('ingestion', async () => {
      expectUnavailable(await upload(rest, 13), 'SERVICE_UNAVAILABLE');
      expectUnavailable((await rest.document(accepted[0] ?? '')) as never, 'SERVICE_UNAVAILABLE');
      expect((await rest.search(note.question)).status).to.equal(200);
      expect((await ask()).status).to.equal(200);
    });
    accepted.push(await uploadUntilAccepted(rest, 13));
    await expectAllReady(rest, accepted);
  });

  it('the sign-in: nobody can sign in, and tokens that were given go on being verified', async () => {
    expect((await ask()).status).to.equal(200);
    await whileDown('sign-in', async () => {
      const refused = await stack.platform.token('lakeside-analyst').catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(Error);
      expect((await ask()).status).to.equal(200);
      const forged = createRest(
        stack.platform.urls.gateway,
        async () => `${await stack.platform.token('north-clinician')}x`,
      );
      expect(await forged.documents().catch((error: unknown) => error)).to.have.property(
        'message',
        'listing documents answered 401',
      );
    });
    expect(await stack.platform.token('lakeside-analyst')).to.be.a('string');
  });

  it('the embedding model: searches and answers say so, uploads are taken and arrive', async () => {
    let accepted: string[] = [];
    await whileDown('embedding', async () => {
      expectUnavailable(await ask(), 'MODEL_UNAVAILABLE');
      expectUnavailable((await rest.search(note.question)) as never, 'MODEL_UNAVAILABLE');
      accepted = [await uploadUntilAccepted(rest, 1), await uploadUntilAccepted(rest, 2)];
    });
    await expectAllReady(rest, accepted);
    expect((await ask()).status).to.equal(200);
  });

  it('the answering model: answers say so, searches go on', async () => {
    await whileDown('llm', async () => {
      expectUnavailable(await ask(), 'SERVICE_UNAVAILABLE');
      expect((await rest.search(note.question)).status).to.equal(200);
    });
    expect((await ask()).status).to.equal(200);
  });

  it('the index: searches and answers say so, uploads are taken and arrive', async () => {
    let accepted: string[] = [];
    await whileDown('retrieval', async () => {
      expectUnavailable((await rest.search(note.question)) as never, 'SERVICE_UNAVAILABLE');
      expectUnavailable(await ask(), 'SERVICE_UNAVAILABLE');
      accepted = [await uploadUntilAccepted(rest, 3)];
    });
    await expectAllReady(rest, accepted);
    expect((await rest.search(note.question)).status).to.equal(200);
  });

  it('the database, and with it the queue: nothing is shown or taken, and all that was accepted arrives', async () => {
    const accepted = [await uploadUntilAccepted(rest, 4), await uploadUntilAccepted(rest, 5)];
    await whileDown('postgres', async () => {
      expectUnavailable(await upload(rest, 6), 'DATABASE_UNAVAILABLE');
      expectUnavailable((await rest.document(accepted[0] ?? '')) as never, 'DATABASE_UNAVAILABLE');
    });
    accepted.push(await uploadUntilAccepted(rest, 6));
    await expectAllReady(rest, accepted);
  });

  it('the object store: nothing is taken or downloaded, and all that was accepted arrives', async () => {
    const accepted = [await uploadUntilAccepted(rest, 7), await uploadUntilAccepted(rest, 8)];
    const { objectsDir } = stack.platform.layout;
    await rename(objectsDir, `${objectsDir}.away`);
    expectUnavailable(await upload(rest, 9), 'OBJECT_STORE_UNAVAILABLE');
    expectUnavailable(
      await rest.call<ProblemView>('GET', `/v1/documents/${accepted[0] ?? ''}/content`),
      'OBJECT_STORE_UNAVAILABLE',
    );
    await rename(`${objectsDir}.away`, objectsDir);
    accepted.push(await uploadUntilAccepted(rest, 9));
    await expectAllReady(rest, accepted);
  });

  it('the audit log: without audit no data', async () => {
    const [first] = await rest.documents();
    await whileDown('audit', async () => {
      expectUnavailable(await ask(), 'AUDIT_UNAVAILABLE');
      expectUnavailable((await rest.document(first?.documentId ?? '')) as never, 'AUDIT_UNAVAILABLE');
      const content = await rest.call<ProblemView>('GET', `/v1/documents/${first?.documentId ?? ''}/content`);
      expectUnavailable(content, 'AUDIT_UNAVAILABLE');
      expectUnavailable(await upload(rest, 10), 'AUDIT_UNAVAILABLE');
    });
    await expectAllReady(rest, [await uploadUntilAccepted(rest, 10)]);
  });

  it('in the end every document is there once', async () => {
    const titles = (await rest.documents()).map(({ title }) => title).sort();
    expect(titles).to.deep.equal([...Array(14).keys()].map((number) => syntheticNote(number, 'Outage').title).sort());
  });
});

describe('the queue is down on the running platform, and has forgotten everything when it is back', function () {
  this.timeout(240_000);
  const dir = path.join(repositoryDir, '.wardstone/test/e2e/queue-redis');
  let redis: RunningRedis | undefined;
  let stack: Stack | undefined;

  before(async function () {
    redis = await startTestRedis(dir, (process.env['WARDSTONE_TEST_REQUIRE_REDIS'] ?? '') !== '');
    if (redis === undefined) this.skip();
    stack = await startStack('queue-down', {}, redis.url);
  });
  after(async () => {
    await stack?.stop();
    await redis?.stop();
  });

  it('uploads are taken and wait; the reconciler brings all of them to READY', async () => {
    if (redis === undefined || stack === undefined) throw new Error('the platform did not start');
    const rest = stack.as('north-clinician');
    const accepted = [await uploadUntilAccepted(rest, 20)];
    await redis.stop();
    for (const number of [21, 22, 23]) accepted.push(await uploadUntilAccepted(rest, number));
    expect((await rest.document(accepted[3] ?? '')).body.state).to.equal('RECEIVED');
    redis = await startTestRedis(dir, true, Number(new URL(redis.url).port));
    await expectAllReady(rest, accepted);
    expect((await rest.documents()).length).to.equal(4);
  });
});
