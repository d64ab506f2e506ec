import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import { type MethodDefinition, type ServiceDefinition, loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { expect } from 'chai';
import { ServerReflection } from '../src/gen/grpc/reflection/v1/reflection_pb.ts';
import { type Scene, createScene, documentId, startTestServer } from './support/platform.ts';

type Json = Record<string, unknown>;
type TestServer = Awaited<ReturnType<typeof startTestServer>>;

// A stock client knows nothing but an address: it asks the server for its services and builds itself from the answer. Only the
// reflection protocol itself is known beforehand.
describe('a stock @grpc/grpc-js client', () => {
  let scene: Scene;
  let server: TestServer;
  let client: grpc.Client;
  const metadata = new grpc.Metadata();
  metadata.set('authorization', 'Bearer good');

  beforeEach(async () => {
    scene = createScene();
    server = await startTestServer(scene);
    client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  });
  afterEach(async () => {
    client.close();
    await server.close();
  });

  type Answer = { message_response: string } & Record<string, unknown>;

  async function reflect(questions: Json[], version = 'v1'): Promise<Answer[]> {
    const files = [ServerReflection.file.proto];
    const set = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: files }));
    const method = methodOf(set, 'grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo');
    const call = client.makeBidiStreamRequest(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      method.requestSerialize,
      method.responseDeserialize,
    );
    const answers: Answer[] = [];
    const ended = new Promise<void>((resolve, reject) => {
      call.on('data', (answer: Answer) => answers.push(answer));
      call.on('end', resolve).on('error', reject);
    });
    for (const question of questions) call.write(question);
    call.end();
    await ended;
    return answers;
  }

  async function describeService(symbol: string): Promise<Buffer> {
    const [answer] = await reflect([{ file_containing_symbol: symbol }]);
    const files = filesOf(answer).map((file) => fromBinary(FileDescriptorProtoSchema, file));
    return Buffer.from(toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: files })));
  }

  async function unary(service: string, name: string, request: Json, withToken = true): Promise<Json> {
    const { path, requestSerialize, responseDeserialize } = methodOf(await describeService(service), service, name);
    return await new Promise((resolve, reject) => {
      const sent = withToken ? metadata : new grpc.Metadata();
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, sent, (error, answer?: object) => {
        if (error) reject(error);
        else resolve({ ...answer });
      });
    });
  }

  it('calls a unary method that it found by reflection', async () => {
    const answer = await unary('wardstone.embedding.v1.EmbeddingService', 'Embed', { texts: ['a', 'b'], kind: 1 });
    expect(answer).deep.equal({
      embeddings: [{ values: [1, 0] }, { values: [1, 0] }],
      model_id: 'test',
      dimensions: 2,
    });
  });

  it('reads a server stream, and its cancel stops the handler', async () => {
    const service = 'wardstone.ingestion.v1.IngestionService';
    const { path, requestSerialize, responseDeserialize } = methodOf(
      await describeService(service),
      service,
      'WatchDocument',
    );
    const call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { document_id: documentId },
      metadata,
    );
    const percents: unknown[] = [];
    const three = Promise.withResolvers<void>();
    const status = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
    call.on('error', () => undefined);
    call.on('data', ({ document }: { document: Json }) => {
      if (percents.push(document['percent']) === 3) three.resolve();
    });
    await Promise.all([scene.entered, three.promise]);
    call.cancel();
    await scene.aborted;
    expect((await status).code).equal(grpc.status.CANCELLED);
    expect(percents).deep.equal([10, 50, 90]);
  });

  it('sends a client stream', async () => {
    const service = 'wardstone.ingestion.v1.IngestionService';
    const method = methodOf(await describeService(service), service, 'UploadDocument');
    const answer = await new Promise<Json>((resolve, reject) => {
      const call = client.makeClientStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        metadata,
        (error, value?: object) => {
          if (error) reject(error);
          else resolve({ ...value });
        },
      );
      call.write({ metadata: { file_name: 'a.txt' } });
      for (let piece = 0; piece < 100; piece++) call.write({ data: Buffer.alloc(65_536) });
      call.end();
    });
    expect(answer['document']).property('size_bytes').property('low', 6_553_600);
  });

  it('sees codes, and the reason in the details', async () => {
    const embed = (texts: string[], withToken = true) =>
      unary('wardstone.embedding.v1.EmbeddingService', 'Embed', { texts, kind: 1 }, withToken).then(
        () => undefined,
        (error: unknown) => error as grpc.ServiceError,
      );
    const missing = await embed(['not-found']);
    expect(missing?.code).equal(grpc.status.NOT_FOUND);
    expect(String(missing?.metadata.get('grpc-status-details-bin')[0])).include('DOCUMENT_NOT_FOUND');
    expect((await embed(['boom']))?.details).equal('Something went wrong on our side.');
    expect((await embed(['a'], false))?.code).equal(grpc.status.UNAUTHENTICATED);
    expect((await embed([]))?.code).equal(grpc.status.INVALID_ARGUMENT);
  });

  it('asks for health, by service and for the whole', async () => {
    const check = (service: string) => unary('grpc.health.v1.Health', 'Check', { service }, false);
    expect(await check('')).deep.equal({ status: 1 });
    expect(await check('wardstone.embedding.v1.EmbeddingService')).deep.equal({ status: 1 });
    const unknown = await check('nobody').then(
      () => undefined,
      (error: unknown) => error as grpc.ServiceError,
    );
    expect(unknown?.code).equal(grpc.status.NOT_FOUND);
    const { statuses } = await unary('grpc.health.v1.Health', 'List', {}, false);
    // protobufjs reads a map that it knows from a descriptor as the entries that it is made of.
    expect((statuses as { key?: string }[]).map(({ key = '' }) => key)).have.members([
      '',
      'wardstone.embedding.v1.EmbeddingService',
      'wardstone.ingestion.v1.IngestionService',
    ]);
  });

  for (const version of ['v1', 'v1alpha']) {
    it(`gets an answer to every question of reflection ${version}`, async () => {
      const questions = [
        { list_services: '' },
        { file_by_filename: 'google/protobuf/timestamp.proto' },
        { file_containing_symbol: 'wardstone.ingestion.v1.IngestionService.GetDocument' },
        { file_containing_symbol: 'wardstone.ingestion.v1.Document.title' },
        { file_containing_symbol: 'wardstone.ingestion.v1.DOCUMENT_STATE_READY' },
        { file_containing_extension: { containing_type: 'google.protobuf.MethodOptions', extension_number: 50001 } },
        { all_extension_numbers_of_type: 'google.protobuf.MethodOptions' },
        { file_containing_symbol: 'nobody.Knows' },
        { all_extension_numbers_of_type: 'nobody.Knows' },
      ];
      const answers = await reflect(questions, version);
      const [services, timestamp, method, field, value, extension, numbers, noSymbol, noType] = answers;
      const names = (services?.['list_services_response'] as { service: { name: string }[] }).service.map(
        ({ name }) => name,
      );
      expect(names).have.members([
        'wardstone.embedding.v1.EmbeddingService',
        'wardstone.ingestion.v1.IngestionService',
        'grpc.health.v1.Health',
      ]);
      expect(namesOf(timestamp)).deep.equal(['google/protobuf/timestamp.proto']);
      for (const answer of [method, field, value]) {
        expect(namesOf(answer)).include.members([
          'wardstone/ingestion/v1/ingestion.proto',
          'wardstone/access/v1/access.proto',
          'buf/validate/validate.proto',
          'google/protobuf/descriptor.proto',
        ]);
      }
      expect(namesOf(extension)?.[0]).equal('wardstone/access/v1/access.proto');
      expect(numbers?.['all_extension_numbers_response']).deep.include({ extension_number: [50001] });
      expect(noSymbol?.['error_response']).deep.include({ error_code: grpc.status.NOT_FOUND });
      expect(noType?.['error_response']).deep.include({ error_code: grpc.status.NOT_FOUND });
      expect(noSymbol?.['original_request']).deep.include({ file_containing_symbol: 'nobody.Knows' });
    });
  }

  it('finds no reflection where it is switched off', async () => {
    const closed = await startTestServer(createScene(), { reflection: false });
    client.close();
    client = new grpc.Client(`127.0.0.1:${closed.port}`, grpc.credentials.createInsecure());
    const error = await reflect([{ list_services: '' }]).then(
      () => undefined,
      (reason: unknown) => reason as grpc.ServiceError,
    );
    expect(error?.code).equal(grpc.status.UNIMPLEMENTED);
    await closed.close();
  });
});

function filesOf(answer: Record<string, unknown> | undefined): Uint8Array[] {
  return (answer?.['file_descriptor_response'] as { file_descriptor_proto: Uint8Array[] }).file_descriptor_proto;
}

function namesOf(answer: Record<string, unknown> | undefined): string[] {
  return filesOf(answer).map((file) => fromBinary(FileDescriptorProtoSchema, file).name);
}

function methodOf(set: Uint8Array, service: string, name: string): MethodDefinition<object, object> {
  const definition = loadFileDescriptorSetFromBuffer(Buffer.from(set), { oneofs: true, defaults: false })[service];
  const method = (definition as ServiceDefinition | undefined)?.[name];
  if (!method) throw new Error(`reflection did not describe ${service}/${name}`);
  return method;
}
