// Lays the third-party .proto files that ours import beside each other, so that buf needs no registry:
//   google.rpc, grpc.health and grpc.reflection come as files in npm packages;
//   buf.validate comes in its npm package only as a compiled descriptor, and no package prints descriptors, so
//   printProto below writes it back as source. Nothing staged is committed.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { printProto } from './print-proto.ts';

// Asked of the file system, because these packages do not export their package.json.
const packageDir = (name: string) => path.resolve(import.meta.dirname, '../node_modules', name);

const target = path.resolve(import.meta.dirname, '../../../.wardstone/proto-deps');
rmSync(target, { recursive: true, force: true });

const copies: [from: string, to: string][] = [
  [
    path.join(packageDir('google-gax'), 'build/protos/google/rpc/error_details.proto'),
    'google/rpc/error_details.proto',
  ],
  [path.join(packageDir('grpc-health-check'), 'proto/health/v1/health.proto'), 'grpc/health/v1/health.proto'],
  ...(['v1', 'v1alpha'] as const).map((version): [string, string] => [
    path.join(packageDir('@grpc/reflection'), `build/proto/grpc/reflection/${version}/reflection.proto`),
    `grpc/reflection/${version}/reflection.proto`,
  ]),
];
for (const [from, to] of copies) cpSync(from, path.join(target, to));

mkdirSync(path.join(target, 'buf/validate'), { recursive: true });
writeFileSync(path.join(target, 'buf/validate/validate.proto'), printProto(file_buf_validate_validate.proto));
