import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';

const scalars: Partial<Record<Type, string>> = {
  [Type.DOUBLE]: 'double',
  [Type.FLOAT]: 'float',
  [Type.INT64]: 'int64',
  [Type.UINT64]: 'uint64',
  [Type.INT32]: 'int32',
  [Type.FIXED64]: 'fixed64',
  [Type.FIXED32]: 'fixed32',
  [Type.BOOL]: 'bool',
  [Type.STRING]: 'string',
  [Type.BYTES]: 'bytes',
  [Type.UINT32]: 'uint32',
  [Type.SFIXED32]: 'sfixed32',
  [Type.SFIXED64]: 'sfixed64',
  [Type.SINT32]: 'sint32',
  [Type.SINT64]: 'sint64',
};

/**
 * Prints a proto2 or proto3 file descriptor as source that compiles to the same messages, enums and extensions.
 * Options (other than allow_alias) and comments are left out; groups and editions are refused.
 */
export function printProto(file: FileDescriptorProto): string {
  const proto2 = file.syntax === '' || file.syntax === 'proto2';
  if (!proto2 && file.syntax !== 'proto3') throw new Error(`cannot print ${file.name}: syntax ${file.syntax}`);
  return [
    `syntax = "${proto2 ? 'proto2' : 'proto3'}";`,
    `package ${file.package};`,
    ...file.dependency.map((name) => `import "${name}";`),
    ...file.enumType.map(printEnum),
    ...file.messageType.map((message) => printMessage(message, proto2)),
    ...file.extension.map((field) => `extend ${field.extendee} {\n${printField(field, proto2)}\n}`),
  ].join('\n\n');
}

function printMessage(message: DescriptorProto, proto2: boolean): string {
  const maps = new Map(message.nestedType.filter((m) => m.options?.mapEntry).map((m) => [m.name, m]));
  const inOneof = (field: FieldDescriptorProto) => Object.hasOwn(field, 'oneofIndex') && !field.proto3Optional;
  const lines = [
    ...message.enumType.map(printEnum),
    ...message.nestedType.filter((m) => !maps.has(m.name)).map((m) => printMessage(m, proto2)),
    ...message.field.filter((field) => !inOneof(field)).map((field) => printField(field, proto2, maps)),
    ...message.oneofDecl.flatMap((oneof, index) => {
      const fields = message.field.filter((field) => inOneof(field) && field.oneofIndex === index);
      return fields.length === 0
        ? []
        : [`oneof ${oneof.name} {\n${fields.map((f) => printField(f, proto2, maps, true)).join('\n')}\n}`];
    }),
    ...message.extensionRange.map(
      (range) => `extensions ${range.start} to ${(range.end ?? 0) > 536870911 ? 'max' : (range.end ?? 0) - 1};`,
    ),
    ...message.reservedRange.map((range) => `reserved ${range.start} to ${(range.end ?? 0) - 1};`),
    ...message.reservedName.map((name) => `reserved "${name}";`),
    ...message.extension.map((field) => `extend ${field.extendee} {\n${printField(field, proto2)}\n}`),
  ];
  return `message ${message.name} {\n${lines.join('\n')}\n}`;
}

function printField(
  field: FieldDescriptorProto,
  proto2: boolean,
  maps: ReadonlyMap<string, DescriptorProto> = new Map(),
  inOneof = false,
): string {
  const map = maps.get(field.typeName.split('.').at(-1) ?? '');
  if (map?.field[0] && map.field[1]) {
    return `map<${typeOf(map.field[0])}, ${typeOf(map.field[1])}> ${field.name} = ${field.number};`;
  }
  const label =
    field.label === Label.REPEATED
      ? 'repeated '
      : inOneof
        ? ''
        : field.label === Label.REQUIRED
          ? 'required '
          : proto2 || field.proto3Optional
            ? 'optional '
            : '';
  return `${label}${typeOf(field)} ${field.name} = ${field.number};`;
}

function typeOf(field: FieldDescriptorProto): string {
  const scalar = scalars[field.type];
  if (scalar) return scalar;
  if (field.type !== Type.MESSAGE && field.type !== Type.ENUM) throw new Error(`cannot print type ${field.type}`);
  return field.typeName;
}

function printEnum(descriptor: EnumDescriptorProto): string {
  const alias = descriptor.options?.allowAlias ? ['option allow_alias = true;'] : [];
  const values = descriptor.value.map((value) => `${value.name} = ${value.number};`);
  return `enum ${descriptor.name} {\n${[...alias, ...values].join('\n')}\n}`;
}
