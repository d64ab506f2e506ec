import { type DescFile, type DescService, createRegistry, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ConnectRouter } from '@connectrpc/connect';
import { ServerReflection as V1 } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as V1Alpha } from '../gen/grpc/reflection/v1alpha/reflection_pb.ts';

/** What a question may be; the same shape in both versions of the protocol. */
interface Question {
  readonly host: string;
  readonly messageRequest:
    | {
        readonly case: 'fileByFilename' | 'fileContainingSymbol' | 'allExtensionNumbersOfType' | 'listServices';
        readonly value: string;
      }
    | {
        readonly case: 'fileContainingExtension';
        readonly value: { readonly containingType: string; readonly extensionNumber: number };
      }
    | { readonly case: undefined; readonly value?: undefined };
}

type Answer =
  | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
  | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } };

const maxQuestionsPerStream = 200;

/** Serves grpc.reflection.v1 and v1alpha for the given services and everything their files import. */
export function registerReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const answer = createAnswers(services);
  async function* serve<Q extends Question>(questions: AsyncIterable<Q>) {
    let asked = 0;
    for await (const question of questions) {
      if (++asked > maxQuestionsPerStream) return;
      const { $typeName: _typeName, ...original } = { $typeName: '', ...question };
      yield {
        validHost: question.host,
        originalRequest: { ...original },
        messageResponse: answer(question.messageRequest),
      };
    }
  }
  router.service(V1, { serverReflectionInfo: serve });
  router.service(V1Alpha, { serverReflectionInfo: serve });
}

function createAnswers(services: readonly DescService[]): (question: Question['messageRequest']) => Answer {
  const files = withImports(services.map((service) => service.file));
  const registry = createRegistry(...files.values());
  const symbols = symbolsOf(files);
  const extensions = [...registry].filter((type) => type.kind === 'extension');

  // A file's imports come with it, so that a client needs one question and no second for what it imports.
  const filesOf = (file: DescFile | undefined): Answer =>
    file
      ? {
          case: 'fileDescriptorResponse',
          value: { fileDescriptorProto: [...withImports([file]).values()].map(encode) },
        }
      : notFound;

  return (question) => {
    switch (question.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: { service: services.map(({ typeName }) => ({ name: typeName })) },
        };
      case 'fileByFilename':
        return filesOf(files.get(question.value));
      case 'fileContainingSymbol':
        return filesOf(symbols.get(question.value.replace(/^\./, '')));
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = question.value;
        return filesOf(
          extensions.find((type) => type.extendee.typeName === containingType && type.number === extensionNumber)?.file,
        );
      }
      case 'allExtensionNumbersOfType': {
        if (registry.getMessage(question.value) === undefined) return notFound;
        const extensionNumber = extensions
          .filter((type) => type.extendee.typeName === question.value)
          .map((type) => type.number);
        return { case: 'allExtensionNumbersResponse', value: { baseTypeName: question.value, extensionNumber } };
      }
      default:
        return { case: 'errorResponse', value: { errorCode: Code.InvalidArgument, errorMessage: 'no question' } };
    }
  };
}

const notFound: Answer = { case: 'errorResponse', value: { errorCode: Code.NotFound, errorMessage: 'not found' } };

/** Encoded once: a question needs no token, and must not cost more than its answer's bytes. */
const encoded = new WeakMap<DescFile, Uint8Array>();

function encode(file: DescFile): Uint8Array {
  const known = encoded.get(file);
  if (known) return known;
  const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
  encoded.set(file, bytes);
  return bytes;
}

// Depth first, so that a file follows what it imports only once; by name, because that is how files import each other.
function withImports(roots: readonly DescFile[]): Map<string, DescFile> {
  const found = new Map<string, DescFile>();
  const visit = (file: DescFile) => {
    if (found.has(file.proto.name)) return;
    found.set(file.proto.name, file);
    for (const imported of file.dependencies) visit(imported);
  };
  for (const root of roots) visit(root);
  return found;
}

// Every name that the protocol may ask for: types, services, and the members inside of them.
function symbolsOf(files: ReadonlyMap<string, DescFile>): Map<string, DescFile> {
  const symbols = new Map<string, DescFile>();
  for (const type of createRegistry(...files.values())) {
    symbols.set(type.typeName, type.file);
    if (type.kind === 'service')
      for (const method of type.methods) symbols.set(`${type.typeName}.${method.name}`, type.file);
    if (type.kind === 'message') {
      for (const member of [...type.fields, ...type.oneofs]) symbols.set(`${type.typeName}.${member.name}`, type.file);
    }
    if (type.kind === 'enum') {
      // Values of an enum are named in the enum's own scope, beside it.
      const scope = type.typeName.split('.').slice(0, -1);
      for (const value of type.values) symbols.set([...scope, value.name].join('.'), type.file);
    }
  }
  return symbols;
}
