import { once } from 'node:events';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { expect } from 'chai';
import { EmbedKind, EmbeddingService } from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { IngestionService } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import {
  AppError,
  type CallerCheck,
  asPrincipal,
  createInMemoryTransport,
  createServiceClient,
  forward,
  tenantOf,
} from '../src/index.ts';
import {
  clientOf,
  clinician,
  createScene,
  documentId,
  permissiveCheck,
  recordedTelemetry,
  refusal,
  secret,
  tenantId,
} from './support/platform.ts';

const kind = EmbedKind.PASSAGE;

function behindTheChain(callerCheck: CallerCheck = permissiveCheck) {
  const scene = createScene();
  const telemetry = recordedTelemetry();
  const transport = createInMemoryTransport({ routes: scene.routes, telemetry, callerCheck });
  const embedding = createServiceClient(EmbeddingService, clientOf('http://in-memory', { transport }));
  const ingestion = createServiceClient(IngestionService, clientOf('http://in-memory', { transport }));
  return { scene, telemetry, transport, embedding, ingestion };
}

describe('the chain around a handler', () => {
  it('gives the handler its call', async () => {
    const { scene, embedding } = behindTheChain();
    await embedding.embed({ texts: ['a'], kind }, asPrincipal(clinician, { requestId: 'request-1', timeoutMs: 5_000 }));
    const call = scene.calls[0];
    if (!call) throw new Error('no call');
    expect(call.principal).deep.equal(clinician);
    expect(call.peer).equal('client');
    expect(call.requestId).equal('request-1');
    expect(tenantOf(call)).equal(tenantId);
    expect(call.timeoutMs()).within(1, 5_000);
    const forwarded = forward(call, { timeoutMs: 100 });
    expect(forwarded.timeoutMs).equal(100);
    expect(forward(call).timeoutMs).below(5_000);
    expect(forwarded.signal).equal(call.signal);
  });

  it('tells the caller check the service, the method and its access option', async () => {
    const seen: unknown[] = [];
    const { embedding } = behindTheChain(({ service, method, access }) => {
      seen.push([service, method.name, access.resource, access.action, access.callers]);
      return Promise.resolve({ principal: clinician, peer: 'gateway' });
    });
    await embedding.embed({ texts: ['a'], kind }, asPrincipal(clinician));
    expect(seen).deep.equal([
      ['wardstone.embedding.v1.EmbeddingService', 'Embed', 'embedding', 'create', ['retrieval', 'client']],
    ]);
  });

  it('makes a request id when none or a bad one comes', async () => {
    const { scene, transport } = behindTheChain();
    const client = createClient(EmbeddingService, transport);
    for (const given of ['', 'two words', 'x'.repeat(129)]) {
      await client.embed({ texts: ['a'], kind }, { headers: { authorization: 'Bearer good', 'x-request-id': given } });
    }
    const ids = scene.calls.map(({ requestId }) => requestId);
    for (const id of ids) expect(id).match(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(new Set(ids).size).equal(3);
  });

  it('refuses unary and streaming calls without a good token, before a message is read', async () => {
    const { scene, telemetry, transport } = behindTheChain();
    const client = createClient(IngestionService, transport);
    const upload = only({ part: { case: 'metadata', value: { fileName: 'a' } } } as const);
    expect((await refused(client.uploadDocument(upload))).reason).equal('UNAUTHENTICATED');
    const options = { headers: { authorization: 'Bearer bad' } };
    expect((await refused(client.getDocument({ documentId: 'not a uuid' }, options))).reason).equal('TOKEN_INVALID');
    expect((await refused(all(client.watchDocument({ documentId }, options)))).reason).equal('TOKEN_INVALID');
    expect(scene.calls).deep.equal([]);
    const counted = await telemetry.metrics.getSingleMetricAsString('rpc_server_requests_total');
    expect(counted).match(/method="UploadDocument",code="Unauthenticated".*\} 1/);
  });

  it('answers a caller check that fails by itself with INTERNAL, and never with its words', async () => {
    const { embedding, telemetry } = behindTheChain(() => Promise.reject(new Error(secret)));
    const error = await refusal(embedding.embed({ texts: ['a'], kind }, asPrincipal(clinician)));
    expect(error.reason).equal('INTERNAL');
    expect(error.message).not.include('Abernathy');
    expect(telemetry.text()).not.include('Abernathy');
  });

  it('carries an AppError to the client, and hides every other error', async () => {
    const { embedding, telemetry } = behindTheChain();
    const expected = await refusal(embedding.embed({ texts: ['not-found'], kind }, asPrincipal(clinician)));
    expect(expected.reason).equal('DOCUMENT_NOT_FOUND');
    expect(expected.metadata).deep.equal({ documentId });
    const unforeseen = await refusal(embedding.embed({ texts: ['boom'], kind }, asPrincipal(clinician)));
    expect(unforeseen.reason).equal('INTERNAL');
    expect(unforeseen.message).not.include('Abernathy');
    const logged = telemetry.lines().find(({ msg }) => msg === 'call failed');
    expect(logged)
      .nested.property('err.cause.stack')
      .match(/platform\.ts/);
  });

  it('writes log lines that carry the call, and never the message', async () => {
    const { embedding, telemetry } = behindTheChain();
    const options = asPrincipal(clinician, { requestId: 'request-2' });
    await embedding.embed({ texts: [secret], kind }, options);
    await refusal(embedding.embed({ texts: ['boom', secret], kind }, options));
    await refusal(embedding.embed({ texts: [secret], kind: 99 as EmbedKind }, options));
    const lines = telemetry.lines();
    expect(lines.filter(({ msg }) => msg === 'call ended')).length(3);
    for (const line of lines) {
      expect(line).include({ requestId: 'request-2', tenantId, caller: 'client', subject: 'user-1' });
    }
    expect(telemetry.text()).not.include('Abernathy');
    expect(telemetry.text()).not.include('good');
  });

  it('needs every outgoing call to say for whom it is made', async () => {
    const { embedding } = behindTheChain();
    expect((await refusal(embedding.embed({ texts: ['a'], kind }))).reason).equal('INTERNAL');
  });

  it('cancels a stream whose consumer leaves it', async () => {
    const { scene, ingestion, telemetry } = behindTheChain();
    for await (const { document } of ingestion.watchDocument({ documentId }, asPrincipal(clinician))) {
      expect(document?.percent).equal(10);
      break;
    }
    const { signal } = scene.calls[0] ?? {};
    if (!signal) throw new Error('no call');
    await (signal.aborted || once(signal, 'abort'));
    // The handler of a stream runs in its call, too.
    const watching = telemetry.lines().find(({ msg }) => msg === 'watching');
    expect(watching).include({ requestId: scene.calls[0]?.requestId, tenantId, caller: 'client' });
    expect(watching)
      .property('traceId')
      .match(/^[0-9a-f]{32}$/);
  });
});

describe('validation of messages', () => {
  it('names the fields and rules that are broken, and never a value', async () => {
    const { embedding, ingestion } = behindTheChain();
    const two = await refusal(
      embedding.embed({ texts: ['', 'b'], kind: EmbedKind.UNSPECIFIED }, asPrincipal(clinician)),
    );
    expect(two.reason).equal('INVALID_ARGUMENT');
    expect(two.violations.map(({ field }) => field)).have.members(['texts[0]', 'kind']);
    const id = await refusal(ingestion.getDocument({ documentId: secret }, asPrincipal(clinician)));
    expect(id.violations.map(({ field }) => field)).deep.equal(['document_id']);
    expect(JSON.stringify([id.message, id.violations])).not.include('Abernathy');
  });

  it('refuses enum values that the proto does not know, also inside of lists', async () => {
    const { ingestion, embedding } = behindTheChain();
    const list = await refusal(ingestion.listDocuments({ states: [5, 77 as 5] }, asPrincipal(clinician)));
    expect(list.violations.map(({ field }) => field)).deep.equal(['states[1]']);
    const one = await refusal(embedding.embed({ texts: ['a'], kind: 99 as EmbedKind }, asPrincipal(clinician)));
    expect(one.violations.map(({ field }) => field)).deep.equal(['kind']);
  });

  it('looks at every message of a client stream', async () => {
    const { ingestion, scene } = behindTheChain();
    async function* upload(pieces: readonly number[]) {
      yield { part: { case: 'metadata', value: { fileName: 'a.txt' } } } as const;
      for (const size of pieces) yield { part: { case: 'data', value: new Uint8Array(size) } } as const;
      await Promise.resolve();
    }
    const answer = await ingestion.uploadDocument(upload([10, 1_048_576]), asPrincipal(clinician));
    expect(answer.document?.sizeBytes).equal(1_048_586n);
    const tooLong = await refusal(ingestion.uploadDocument(upload([10, 1_048_577]), asPrincipal(clinician)));
    expect(tooLong.violations.map(({ field }) => field)).deep.equal(['data']);
    const empty = await refusal(ingestion.uploadDocument(only({ part: { case: undefined } }), asPrincipal(clinician)));
    expect(empty.reason).equal('INVALID_ARGUMENT');
    expect(scene.calls).length(3);
  });
});

// A stream of one message.
async function* only<T>(message: T): AsyncGenerator<T> {
  yield await Promise.resolve(message);
}

async function all(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _message of stream) count++;
  return count;
}

async function refused(call: Promise<unknown>): Promise<AppError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw new Error('the call was expected to fail');
  expect(error.code).not.equal(Code.Unknown);
  return AppError.from(error);
}
