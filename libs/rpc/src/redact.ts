import { type DescField, type DescMessage, type JsonValue, type MessageShape, clone, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';

const maxDepth = 64;

/**
 * A message as JSON without the fields that its proto marks with `debug_redact` (they may hold PHI), at any depth. The
 * message itself is not changed. Fields that this version of the proto does not know are not printed either.
 */
export function redact<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  const copy = clone(schema, message);
  strip(reflect(schema, copy), 0);
  return toJson(schema, copy);
}

function strip(message: ReflectMessage, depth: number): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    // What is nested deeper than any message of ours is dropped rather than trusted.
    if (isRedacted(field) || depth >= maxDepth) message.clear(field);
    else if (field.message) for (const inner of messagesOf(message, field)) strip(inner, depth + 1);
  }
}

function isRedacted(field: DescField): boolean {
  return field.proto.options?.debugRedact === true;
}

function messagesOf(message: ReflectMessage, field: DescField): ReflectMessage[] {
  if (field.fieldKind === 'message') return [message.get(field)];
  if (field.fieldKind !== 'list' && field.fieldKind !== 'map') return [];
  const values: Iterable<unknown> = field.fieldKind === 'list' ? message.get(field) : message.get(field).values();
  return [...values].filter((value) => isReflectMessage(value));
}
