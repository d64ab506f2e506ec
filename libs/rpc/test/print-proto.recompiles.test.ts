import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type MessageInitShape, create, fromBinary, toJson } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { expect } from 'chai';
import { printProto } from '../scripts/print-proto.ts';

const buf = path.resolve(import.meta.dirname, '../../../node_modules/.bin/buf');

function compile(file: FileDescriptorProto): FileDescriptorProto {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardstone-print-proto-'));
  try {
    const target = path.join(folder, file.name);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(path.join(folder, 'buf.yaml'), 'version: v2\n');
    writeFileSync(target, printProto(file));
    const image = execFileSync(buf, ['build', '--as-file-descriptor-set', '-o', '-'], {
      cwd: folder,
      maxBuffer: 2 ** 24,
    });
    const compiled = fromBinary(FileDescriptorSetSchema, image).file.find(({ name }) => name === file.name);
    if (!compiled) throw new Error('the printed file was not compiled');
    return compiled;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const byNumber = (a: FieldDescriptorProto, b: FieldDescriptorProto) => a.number - b.number;

// The parts that are printed, in one order: the printer groups the fields of a oneof, and leaves out options and comments.
function partsOf(file: FileDescriptorProto): unknown {
  const enums = (types: readonly EnumDescriptorProto[]) =>
    types.map(({ name, value }) => ({ name, values: value.map((one) => [one.name, one.number]) }));
  const field = (one: FieldDescriptorProto, message?: DescriptorProto) => {
    const { number, name, label, type, typeName, extendee, proto3Optional } = one;
    const oneof = Object.hasOwn(one, 'oneofIndex') ? message?.oneofDecl[one.oneofIndex]?.name : undefined;
    return { number, name, label, type, typeName, extendee, proto3Optional, oneof };
  };
  const message = (one: DescriptorProto): unknown => ({
    name: one.name,
    fields: one.field.toSorted(byNumber).map((inner) => field(inner, one)),
    nested: one.nestedType.map(message),
    isMapEntry: one.options?.mapEntry === true,
    enums: enums(one.enumType),
    ranges: one.extensionRange.map(({ start, end }) => [start, end]),
    reserved: [one.reservedRange.map(({ start, end }) => [start, end]), one.reservedName],
    extensions: one.extension.map((inner) => field(inner)),
  });
  return {
    package: file.package,
    imports: file.dependency,
    messages: file.messageType.map(message),
    enums: enums(file.enumType),
    extensions: file.extension.map((inner) => field(inner)),
  };
}

describe('printProto', function () {
  this.timeout(60_000);

  it('prints buf.validate as source that compiles to the same descriptor', () => {
    const original = file_buf_validate_validate.proto;
    expect(partsOf(compile(original))).deep.equal(partsOf(original));
  });

  it('prints maps, oneofs, optional and reserved fields of proto3', () => {
    const field = (init: MessageInitShape<typeof FieldDescriptorProtoSchema> & { name: string }) =>
      create(FieldDescriptorProtoSchema, { label: Label.OPTIONAL, type: Type.STRING, jsonName: init.name, ...init });
    const original = create(FileDescriptorProtoSchema, {
      name: 'a/b.proto',
      package: 'a.b',
      syntax: 'proto3',
      enumType: [
        {
          name: 'E',
          options: { allowAlias: true },
          value: [
            { name: 'ZERO', number: 0 },
            { name: 'NIL', number: 0 },
          ],
        },
      ],
      messageType: [
        {
          name: 'M',
          field: [
            field({ name: 'first', number: 1, oneofIndex: 0 }),
            field({ name: 'plain', number: 2, label: Label.REPEATED, type: Type.ENUM, typeName: '.a.b.E' }),
            field({ name: 'second', number: 3, oneofIndex: 0, type: Type.SINT64 }),
            field({
              name: 'by_name',
              number: 4,
              label: Label.REPEATED,
              type: Type.MESSAGE,
              typeName: '.a.b.M.ByNameEntry',
            }),
            field({ name: 'maybe', number: 5, oneofIndex: 1, proto3Optional: true, type: Type.BYTES }),
          ],
          nestedType: [
            {
              name: 'ByNameEntry',
              options: { mapEntry: true },
              field: [
                field({ name: 'key', number: 1 }),
                field({ name: 'value', number: 2, type: Type.MESSAGE, typeName: '.a.b.M' }),
              ],
            },
          ],
          oneofDecl: [{ name: 'either' }, { name: '_maybe' }],
          reservedRange: [{ start: 7, end: 9 }],
          reservedName: ['old'],
        },
      ],
    });
    const compiled = compile(original);
    expect(partsOf(compiled)).deep.equal(partsOf(original));
    expect(toJson(FileDescriptorProtoSchema, compiled)).property('syntax', 'proto3');
  });

  it('refuses what it cannot print', () => {
    expect(() => printProto(create(FileDescriptorProtoSchema, { name: 'x', syntax: 'editions' }))).throws('syntax');
    const group = { name: 'g', number: 1, type: Type.GROUP, label: Label.OPTIONAL };
    const file = create(FileDescriptorProtoSchema, { name: 'x', messageType: [{ name: 'M', field: [group] }] });
    expect(() => printProto(file)).throws('cannot print type');
  });
});
