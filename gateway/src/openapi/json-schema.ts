import { z } from 'zod';

/** JSON schemas for the API's description, made from the zod schemas that validate. */

/** Versions of OpenAPI that are written. */
export type OpenApiVersion = '3.1.0' | '3.0.3';

/** A JSON value of the description. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };
export type JsonObject = { readonly [key: string]: Json | undefined };

/** Schemas by the name under which they stand in `components.schemas`. */
export type NamedSchemas = ReadonlyMap<string, { readonly schema: z.ZodType; readonly io: 'input' | 'output' }>;

/** Writes the schemas for `components.schemas`, each by its name. */
export function componentSchemas(named: NamedSchemas, version: OpenApiVersion): Record<string, JsonObject> {
  return Object.fromEntries([...named].map(([name, { schema, io }]) => [name, jsonSchema(schema, version, io)]));
}

/** One zod schema as a JSON schema of the given OpenAPI version. */
export function jsonSchema(schema: z.ZodType, version: OpenApiVersion, io: 'input' | 'output'): JsonObject {
  const written = z.toJSONSchema(schema, {
    target: version === '3.0.3' ? 'openapi-3.0' : 'draft-2020-12',
    io,
    reused: 'inline',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: target }) => applyOverride(zodSchema, target),
  });
  return tidy(JSON.parse(JSON.stringify(written)) as JsonObject, version);
}

/** A reference to a named schema. */
export function schemaRef(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
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

function tidy(schema: JsonObject, version: OpenApiVersion): JsonObject {
  const entries = Object.entries(schema).flatMap(([keyword, value]): [string, Json | undefined][] => {
    if (annotations.has(keyword)) return [];
    // A format says the same as zod's regular expression for it, readably.
    if (keyword === 'pattern' && 'format' in schema) return [];
    if (keyword === 'maximum' && value === largestSafe) return [];
    if (keyword === 'minLength' && value === 0) return [];
    if (keyword === 'examples' && version === '3.0.3') return [['example', first(value)]];
    return [[keyword, tidyValue(keyword, value, version)]];
  });
  return Object.fromEntries(entries);
}

function tidyValue(keyword: string, value: Json | undefined, version: OpenApiVersion): Json | undefined {
  if (keyword === 'properties' && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, property]) => [name, isObject(property) ? tidy(property, version) : property]),
    );
  }
  if (['items', 'additionalProperties', 'not'].includes(keyword) && isObject(value)) return tidy(value, version);
  if (['allOf', 'anyOf', 'oneOf'].includes(keyword) && Array.isArray(value)) {
    return value.map((branch: Json) => (isObject(branch) ? tidy(branch, version) : branch));
  }
  return value;
}

function first(value: Json | undefined): Json | undefined {
  return Array.isArray(value) ? (value[0] as Json) : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
