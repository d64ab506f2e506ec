import { z } from 'zod';

/** JSON schemas for the API's description, made from the zod schemas that validate. */

/** Versions of OpenAPI that are written. */
export type OpenApiVersion = '3.1.0' | '3.0.3';

/** A JSON value of the description. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };
export type JsonObject = { readonly [key: string]: Json | undefined };

/** Schemas by the name under which they stand in `components.schemas`. */
export type NamedSchemas = ReadonlyMap<string, { readonly schema: z.ZodType; readonly io: 'input' | 'output' }>;

/** Writes the schemas for `components.schemas`, each by its name; where one holds another, it refers to it. */
export function componentSchemas(named: NamedSchemas, version: OpenApiVersion): Record<string, JsonObject> {
  const written = (['input', 'output'] as const).map((io) => {
    const registry = z.registry<{ id: string }>();
    for (const [id, entry] of named) if (entry.io === io) registry.add(entry.schema, { id });
    const { schemas } = z.toJSONSchema(registry, { ...options(version, io), uri: refTo });
    return Object.entries(schemas).map(([name, schema]) => [name, toJson(schema, version, io)] as const);
  });
  return Object.fromEntries(written.flat());
}

/** One zod schema as a JSON schema of the given OpenAPI version. */
export function jsonSchema(schema: z.ZodType, version: OpenApiVersion, io: 'input' | 'output'): JsonObject {
  return toJson(z.toJSONSchema(schema, options(version, io)), version, io);
}

function options(version: OpenApiVersion, io: 'input' | 'output') {
  return {
    target: version === '3.0.3' ? 'openapi-3.0' : 'draft-2020-12',
    io,
    reused: 'inline',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: target }) => applyOverride(zodSchema, target),
  } as const satisfies z.core.ToJSONSchemaParams;
}

function toJson(schema: object, version: OpenApiVersion, io: 'input' | 'output'): JsonObject {
  return tidy(JSON.parse(JSON.stringify(schema)) as JsonObject, { version, io });
}

function refTo(name: string): string {
  return `#/components/schemas/${name}`;
}

/** A reference to a named schema. */
export function schemaRef(name: string): JsonObject {
  return { $ref: refTo(name) };
}

// What a schema cannot say of itself, because it checks the wire form by code, its metadata says under `override`.
function applyOverride(zodSchema: z.core.$ZodType, target: z.core.JSONSchema.BaseSchema): void {
  const override = z.globalRegistry.get(zodSchema)?.['override'];
  delete target['override'];
  if (typeof override !== 'object' || override === null) return;
  for (const keyword of ['type', 'pattern', 'anyOf', 'items', 'allOf']) {
    if (Object.keys(override).includes('type')) delete target[keyword];
  }
  Object.assign(target, override);
}

const annotations = new Set(['$schema', '$id', 'id']);
const largestSafe = Number.MAX_SAFE_INTEGER;

interface Writing {
  readonly version: OpenApiVersion;
  readonly io: 'input' | 'output';
}

function tidy(schema: JsonObject, writing: Writing): JsonObject {
  const entries = Object.entries(schema).flatMap(([keyword, value]): [string, Json | undefined][] => {
    if (annotations.has(keyword)) return [];
    // A format says the same as zod's regular expression for it, readably.
    if (keyword === 'pattern' && 'format' in schema) return [];
    if (keyword === 'maximum' && value === largestSafe) return [];
    if (keyword === 'minLength' && value === 0) return [];
    // Answers may gain fields; a client that checks them must not break then. Requests may not: unknown fields are refused.
    if (keyword === 'additionalProperties' && value === false && writing.io === 'output') return [];
    if (keyword === 'examples' && writing.version === '3.0.3') return [['example', first(value)]];
    return [[keyword, tidyValue(keyword, value, writing)]];
  });
  return Object.fromEntries(entries);
}

function tidyValue(keyword: string, value: Json | undefined, writing: Writing): Json | undefined {
  if (keyword === 'properties' && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, property]) => [name, isObject(property) ? tidy(property, writing) : property]),
    );
  }
  if (['items', 'additionalProperties', 'not'].includes(keyword) && isObject(value)) return tidy(value, writing);
  if (['allOf', 'anyOf', 'oneOf'].includes(keyword) && Array.isArray(value)) {
    return value.map((branch: Json) => (isObject(branch) ? tidy(branch, writing) : branch));
  }
  return value;
}

function first(value: Json | undefined): Json | undefined {
  return Array.isArray(value) ? (value[0] as Json) : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
