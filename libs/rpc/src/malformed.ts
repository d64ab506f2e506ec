import { type DescField, type DescMessage, type MessageShape, ScalarType, isUnknownEnum } from '@bufbuild/protobuf';
import { type ReflectMessage, isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { FieldViolation } from './app-error.ts';

const maxDepth = 64;

/** Finds enum values that the proto does not know, and text that is not well-formed Unicode, anywhere in a message. */
export function findMalformed<D extends DescMessage>(schema: D, message: MessageShape<D>): FieldViolation[] {
  const found: FieldViolation[] = [];
  visit(reflect(schema, message), '', found, 0);
  return found;
}

function visit(message: ReflectMessage, prefix: string, found: FieldViolation[], depth: number): void {
  if (depth > maxDepth) return;
  for (const field of message.fields) {
    if (!message.isSet(field) || !mayBeMalformed(field)) continue;
    const path = `${prefix}${field.name}`;
    if (field.fieldKind === 'list') {
      let index = 0;
      for (const item of message.get(field)) inspect(field, item, `${path}[${index++}]`, found, depth);
    } else if (field.fieldKind === 'map') {
      // A map's keys are the caller's text; a path does not repeat them.
      for (const [key, item] of message.get(field)) {
        inspectText(key, `${path}[]`, found);
        inspect(field, item, `${path}[]`, found, depth);
      }
    } else {
      inspect(field, message.get(field), path, found, depth);
    }
  }
}

function inspect(field: DescField, value: unknown, path: string, found: FieldViolation[], depth: number): void {
  if (field.enum && typeof value === 'number' && isUnknownEnum(field.enum, value)) {
    found.push({ field: path, description: 'must be a value that the enum defines' });
  }
  if (isReflectMessage(value)) visit(value, `${path}.`, found, depth + 1);
  inspectText(value, path, found);
}

function inspectText(value: unknown, path: string, found: FieldViolation[]): void {
  if (typeof value === 'string' && !value.isWellFormed()) {
    found.push({ field: path, description: 'must be well-formed Unicode' });
  }
}

// Numbers and bytes, which make up the bulk of large messages, are not walked through.
function mayBeMalformed(field: DescField): boolean {
  if (field.fieldKind === 'map') return true;
  return field.enum !== undefined || field.message !== undefined || field.scalar === ScalarType.STRING;
}
