import { createQueue, type Queue, type StageJob } from '@wardstone/queue';
import { DocumentState, type Document } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { createTelemetry } from '@wardstone/telemetry';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { as, tenantA, tenantB } from './support/harness.ts';
import { openProgram, type Program } from './support/program.ts';
import { upload } from './support/upload.ts';

const settleMs = 60_000;

describe('the ingestion program, when its queue is in other hands', () => {
  let program: Program;
  const telemetry = createTelemetry({ service: 'ingestion', version: '0', logLevel: 'silent' });
  const queues: Queue[] = [];
  before(async function () {
    this.timeout(120_000);
    program = await openProgram();
    await program.start();
  });
  after(async () => {
    for (const queue of queues) await queue.close();
    await telemetry.shutdown();
    await program.close();
  });

  const get = async ({ documentId }: Document): Promise<Document | undefined> =>
    (await program.client.getDocument({ documentId }, as(tenantA))).document;
  const jobOf = ({ documentId }: Document, tenantId: string): StageJob => {
    return { tenantId, documentId, version: 1, requestId: 'forged', requestedBy: 'nobody' };
  };

  async function ready(): Promise<Document> {
    const document = await upload(program, 'words');
    const isReady = async () => (await get(document))?.state === DocumentState.READY;
    await eventually(isReady, { timeoutMs: settleMs, description: 'READY' });
    return (await get(document)) ?? document;
  }

  async function queueOf(service: string): Promise<Queue> {
    const backend = { postgresUrl: program.queueDatabase.queueUrl };
    const queue = await createQueue({ backend, telemetry, signatures: await program.signatures(service) });
    queues.push(queue);
    return queue;
  }

  async function flowEnds(queue: Queue, job: StageJob, state: string): Promise<void> {
    const ended = async () => (await queue.flowState(job)) === state;
    await eventually(ended, { timeoutMs: settleMs, description: `the flow to be ${state}` });
  }

  it('runs nothing of a flow that another service has signed', async () => {
    const document = await ready();
    const indexed = program.indexed.get(document.documentId);
    const queue = await queueOf('embedding');
    const job = jobOf(document, tenantA);
    await flowEnds(queue, job, 'completed');
    await queue.addDocumentFlow(job);
    await flowEnds(queue, job, 'failed');
    expect(await get(document)).to.include({ state: DocumentState.READY, etag: document.etag });
    expect(program.indexed.get(document.documentId)).to.equal(indexed);
  }).timeout(settleMs);

  it('changes nothing of a document that is READY when its signed flow is played again, or one of another tenant', async () => {
    const document = await ready();
    const queue = await queueOf('ingestion');
    for (const tenantId of [tenantA, tenantB]) {
      const job = jobOf(document, tenantId);
      await flowEnds(queue, job, 'completed');
      await queue.addDocumentFlow(job);
      await flowEnds(queue, job, 'completed');
      expect(await get(document)).to.include({ state: DocumentState.READY, etag: document.etag });
    }
  }).timeout(settleMs);
});
