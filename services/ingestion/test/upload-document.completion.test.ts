import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { AppError, createServiceClient } from '@wardstone/rpc';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { bearing } from '@wardstone/service-testing';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { serve } from './support/server.ts';
import { collect, reasonOf, upload, uploadMessages, type UploadMessage } from './support/upload.ts';

/** Shorter and longer than the head that decides the type: refused before and after there is a row. */
const bodies = [Buffer.from('short'), Buffer.from('long '.repeat(20_000))];

describe('UploadDocument, when an upload is complete', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await openHarness();
  });
  afterEach(() => harness.close());

  const rows = () => harness.testDatabase.query('select document_id from ingestion.document');
  const objects = async () =>
    (await readdir(harness.objectsDir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());

  async function nothingIsLeft(): Promise<void> {
    expect(await rows(), 'rows').to.deep.equal([]);
    expect(await objects(), 'objects').to.deep.equal([]);
    expect(harness.flows.size, 'flows').to.equal(0);
    expect(harness.events, 'events').to.deep.equal([]);
  }

  /** Sends the body with an end of the test's making. */
  async function sendEndingIn(body: Buffer, end: { sizeBytes: number; sha256: Uint8Array }): Promise<unknown> {
    const sent = (await collect(uploadMessages(body))).slice(0, -1);
    const complete: UploadMessage = { part: { case: 'complete', value: { ...end, sizeBytes: BigInt(end.sizeBytes) } } };
    return harness.client.uploadDocument(listed([...sent, complete]), as(tenantA));
  }

  for (const body of bodies) {
    const what = `${String(body.length)} bytes`;
    const digest = createHash('sha256').update(body).digest();

    it(`takes ${what} that are what their end says`, async () => {
      const { document } = (await sendEndingIn(body, { sizeBytes: body.length, sha256: digest })) as {
        document?: { sizeBytes: bigint };
      };
      expect(document?.sizeBytes).to.equal(BigInt(body.length));
    });

    it(`leaves nothing of ${what} whose stream ends in order, and says nowhere that they are complete`, async () => {
      const sent = await collect(uploadMessages(body));
      for (let length = 1; length < sent.length; length += 1) {
        const response = harness.client.uploadDocument(listed(sent.slice(0, length)), as(tenantA));
        expect(await reasonOf(response), `${String(length)} messages`).to.equal('UPLOAD_INCOMPLETE');
      }
      await nothingIsLeft();
    });

    it(`refuses ${what} of another number than their end says`, async () => {
      for (const sizeBytes of [0, body.length - 1, body.length + 1]) {
        const refused = await refusal(sendEndingIn(body, { sizeBytes, sha256: digest }));
        expect(refused.reason).to.equal('UPLOAD_MISMATCH');
        expect(refused.violations.map(({ field }) => field)).to.deep.equal(['complete.size_bytes']);
      }
      await nothingIsLeft();
    });

    it(`refuses ${what} with another digest than their end says`, async () => {
      const other = createHash('sha256').update(body.subarray(1)).digest();
      const refused = await refusal(sendEndingIn(body, { sizeBytes: body.length, sha256: other }));
      expect(refused.reason).to.equal('UPLOAD_MISMATCH');
      expect(refused.violations.map(({ field }) => field)).to.deep.equal(['complete.sha256']);
      await nothingIsLeft();
    });
  }

  it('refuses an end without a digest, or with one of another length', async () => {
    const [body = Buffer.alloc(0)] = bodies;
    for (const sha256 of [new Uint8Array(), new Uint8Array(31), new Uint8Array(33)]) {
      const refused = await refusal(sendEndingIn(body, { sizeBytes: body.length, sha256 }));
      expect(refused.reason).to.equal('INVALID_ARGUMENT');
      expect(refused.violations.map(({ field }) => field)).to.deep.equal(['complete.sha256']);
    }
    await nothingIsLeft();
  });

  it('holds a repetition under an idempotency key to the same', async () => {
    for (const [index, body] of bodies.entries()) {
      const key = { idempotencyKey: `key-${String(index)}` };
      const first = await upload(harness, body, key);
      const cut = (await collect(uploadMessages(body, key))).slice(0, -1);
      expect(await reasonOf(harness.client.uploadDocument(listed(cut), as(tenantA)))).to.equal('UPLOAD_INCOMPLETE');
      expect((await upload(harness, body, key)).documentId).to.equal(first.documentId);
    }
    expect(await rows()).to.have.length(bodies.length);
  });

  it('leaves nothing of a call that its client cancels over HTTP/2', async () => {
    const server = await serve(harness);
    try {
      const client = createServiceClient(IngestionService, {
        baseUrl: server.url,
        audience: 'ingestion',
        authorize: bearing,
      });
      const controller = new AbortController();
      async function* cancelled(): AsyncGenerator<UploadMessage> {
        yield* (await collect(uploadMessages(Buffer.alloc(200_000, 'a')))).slice(0, -1);
        await eventually(async () => (await rows()).length === 1);
        controller.abort();
        // Never ends by itself: only the cancel does.
        await new Promise(() => undefined);
      }
      const response = client.uploadDocument(cancelled(), as(tenantA, { signal: controller.signal }));
      expect(await reasonOf(response)).to.equal('CANCELLED');
      await eventually(async () => (await rows()).length === 0);
    } finally {
      await server.close();
    }
    await nothingIsLeft();
  });
});

async function* listed(messages: readonly UploadMessage[]): AsyncGenerator<UploadMessage> {
  for (const message of messages) yield await Promise.resolve(message);
}

async function refusal(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    return AppError.from(error);
  }
  throw new Error('it was not refused');
}
