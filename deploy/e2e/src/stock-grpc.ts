import { toBinary, create, type DescFile, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';

/** A stock @grpc/grpc-js client of a service: made from its descriptors alone, with nothing of Wardstone's own kit. */
export function stockClient(service: DescService, url: string): grpc.Client {
  const set = create(FileDescriptorSetSchema, { file: withDependencies(service.file).map(({ proto }) => proto) });
  const definition = loadFileDescriptorSetFromBuffer(Buffer.from(toBinary(FileDescriptorSetSchema, set)), {
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const found = service.typeName
    .split('.')
    .reduce<grpc.GrpcObject | grpc.ServiceClientConstructor | undefined>(
      (node, part) => (node as grpc.GrpcObject)[part] as grpc.GrpcObject,
      grpc.loadPackageDefinition(definition),
    );
  const Constructor = found as grpc.ServiceClientConstructor;
  return new Constructor(new URL(url).host, grpc.credentials.createInsecure());
}

/** What a call came to: the messages of its answer, or its status. */
export interface Outcome {
  readonly messages: readonly Record<string, unknown>[];
  readonly code: grpc.status;
  /** What the server said beside the code. */
  readonly details: string;
}

const deadlineMs = 30_000;

/** Calls any kind of RPC with one or more request messages, and collects the answer. Errors become their status code. */
export function call(
  client: grpc.Client,
  method: string,
  token: string | undefined,
  ...requests: object[]
): Promise<Outcome> {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const options = { deadline: Date.now() + deadlineMs };
  const functions = client as unknown as Record<string, MethodFunction>;
  const invoke = functions[method];
  if (invoke === undefined) throw new Error(`the client has no method ${method}`);
  return new Promise((resolve) => {
    const messages: Record<string, unknown>[] = [];
    const done = (error: grpc.ServiceError | null, message?: Record<string, unknown>): void => {
      resolve({
        messages: message ? [message] : [],
        code: error?.code ?? grpc.status.OK,
        details: error?.details ?? '',
      });
    };
    if (invoke.requestStream) {
      const stream = (invoke as ClientStreamFunction).call(client, metadata, options, done);
      for (const request of requests) stream.write(request);
      stream.end();
    } else if (invoke.responseStream) {
      const stream = (invoke as ServerStreamFunction).call(client, requests[0] ?? {}, metadata, options);
      stream.on('data', (message: Record<string, unknown>) => messages.push(message));
      stream.on('error', (error: grpc.ServiceError) => resolve({ messages, code: error.code, details: error.details }));
      stream.on('end', () => resolve({ messages, code: grpc.status.OK, details: '' }));
    } else {
      (invoke as UnaryFunction).call(client, requests[0] ?? {}, metadata, options, done);
    }
  });
}

/** Calls a server stream that has no end of its own, and leaves it at the first message that `isLast` takes. */
export function callUntil(
  client: grpc.Client,
  method: string,
  token: string,
  isLast: (message: Readonly<Record<string, unknown>>) => boolean,
): Promise<Outcome> {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const invoke = (client as unknown as Record<string, ServerStreamFunction>)[method];
  if (invoke?.responseStream !== true) throw new Error(`the client has no method ${method} that streams`);
  return new Promise((resolve) => {
    const messages: Record<string, unknown>[] = [];
    const stream = invoke.call(client, {}, metadata, { deadline: Date.now() + deadlineMs });
    stream.on('data', (message: Record<string, unknown>) => {
      messages.push(message);
      if (!isLast(message)) return;
      resolve({ messages, code: grpc.status.OK, details: '' });
      stream.cancel();
    });
    stream.on('error', (error: grpc.ServiceError) => resolve({ messages, code: error.code, details: error.details }));
    stream.on('end', () => resolve({ messages, code: grpc.status.OK, details: '' }));
  });
}

interface MethodShape {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}
type Callback = (error: grpc.ServiceError | null, message?: Record<string, unknown>) => void;
type UnaryFunction = MethodShape &
  ((request: object, metadata: grpc.Metadata, options: object, done: Callback) => void);
type ClientStreamFunction = MethodShape &
  ((metadata: grpc.Metadata, options: object, done: Callback) => grpc.ClientWritableStream<object>);
type ServerStreamFunction = MethodShape &
  ((request: object, metadata: grpc.Metadata, options: object) => grpc.ClientReadableStream<Record<string, unknown>>);
type MethodFunction = UnaryFunction | ClientStreamFunction | ServerStreamFunction;

function withDependencies(file: DescFile, seen = new Map<string, DescFile>()): DescFile[] {
  if (!seen.has(file.name)) {
    for (const dependency of file.dependencies) withDependencies(dependency, seen);
    seen.set(file.name, file);
  }
  return [...seen.values()];
}
