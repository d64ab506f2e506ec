import type { DescEnum } from '@bufbuild/protobuf';

/** The name of an enum's value without the enum's own prefix, as the API shows it; `fallback` for one it does not know. */
export function enumName(descriptor: DescEnum, value: number, fallback: string): string {
  return descriptor.value[value]?.localName ?? fallback;
}

/** The value of an enum by the name that the API shows. */
export function enumValue<Value extends number>(descriptor: DescEnum, name: string): Value {
  const found = descriptor.values.find((value) => value.localName === name);
  if (found === undefined) throw new Error(`${descriptor.typeName} has no value ${name}`);
  return found.number as Value;
}
