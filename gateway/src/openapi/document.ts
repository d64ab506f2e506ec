import { type Reason, reasons } from '@wardstone/rpc';
import type { z } from 'zod';
import { requiredPermission } from '../auth/permission.ts';
import { problemMediaType } from '../problem.ts';
import { requestIdPattern } from '../http/request-id.ts';
import type { HeaderSpec, Route, StreamSpec, Success } from '../route.ts';
import { sourcesSchema } from '../schemas/answer-event.ts';
import {
  answerDoneSchema,
  citationSchema,
  deltaSchema,
  sourceSchema,
  statementSchema,
  usageSchema,
} from '../schemas/answer.ts';
import { auditEventSchema } from '../schemas/audit-event.ts';
import { completionAnswerSchema } from '../schemas/chat-completion.ts';
import { watchDoneSchema } from '../schemas/document-event.ts';
import { documentSchema } from '../schemas/document.ts';
import { problemSchema } from '../schemas/problem.ts';
import { searchHitSchema, spanSchema } from '../schemas/search.ts';
import { tenantSchema } from '../schemas/tenant.ts';
import { workProgressSchema } from '../schemas/work-progress.ts';
import {
  type Json,
  type JsonObject,
  type NamedSchemas,
  type OpenApiVersion,
  componentSchemas,
  jsonSchema,
  schemaRef,
} from './json-schema.ts';

/** Reasons that every operation may answer with. */
export const everywhere: readonly Reason[] = [
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'TOKEN_INVALID',
  'PERMISSION_DENIED',
  'TENANT_REQUIRED',
  'RATE_LIMITED',
  'NOT_ACCEPTABLE',
  'INVALID_ARGUMENT',
  'UNKNOWN_FIELD',
  'INTERNAL',
  'SERVICE_UNAVAILABLE',
  'DEADLINE_EXCEEDED',
];

/** Of whatever may come with a body: a GET's is not read. */
export const withBody: readonly Reason[] = [
  'MALFORMED_JSON',
  'BODY_TOO_LARGE',
  'REQUEST_TIMEOUT',
  'UNSUPPORTED_MEDIA_TYPE',
];

const tags = [
  { name: 'Documents', description: 'What is searched and cited: upload, watch, read, delete.' },
  { name: 'Search', description: 'Finding the places that answer a question.' },
  { name: 'Answers', description: 'Answers with citations.' },
  { name: 'Completions', description: "Answers in the form of OpenAI's API, where a tenant has turned that on." },
  { name: 'Conversations', description: 'Questions that go on from one another, kept sealed for who asked them.' },
  { name: 'Settings', description: 'How a tenant is answered, and what that has cost.' },
  {
    name: 'Tenants',
    description: 'Organisations, each with an encryption key of its own: making, suspending, rotating keys, leaving.',
  },
  { name: 'Audit', description: 'Who did what, when and why.' },
  { name: 'Me', description: 'The caller itself.' },
] as const;

const description = [
  'Retrieval-augmented generation over clinical documents.',
  '',
  'Every refusal is `application/problem+json` (RFC 9457) with a stable `reason`. Lists are pages `{data, hasMore, nextToken}`.',
  'Two things here follow Internet drafts, not standards, and may change with them: the `Idempotency-Key` header',
  '(draft-ietf-httpapi-idempotency-key-header) and the `RateLimit` and `RateLimit-Policy` headers',
  '(draft-ietf-httpapi-ratelimit-headers).',
].join('\n');

/** Describes the API in OpenAPI, from the very routes that serve it. */
export function openApiDocument(
  routes: readonly Route[],
  version: OpenApiVersion,
  publicUrl: string | undefined,
): JsonObject {
  return {
    openapi: version,
    info: {
      title: 'Wardstone API',
      version: '1.0.0',
      description,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: publicUrl ?? '/' }],
    tags: [...tags],
    security: [{ bearer: [] }],
    paths: pathsOf(routes, version),
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            "An access token (RFC 9068) of your organisation's OpenID provider, for the audience of this API.",
        },
      },
      schemas: componentSchemas(namedSchemas(routes), version),
    },
  };
}

/** Schemas that stand within others, or as the data of an event; named, so that generated clients name them too. */
const parts = {
  Problem: problemSchema,
  Document: documentSchema,
  Span: spanSchema,
  SearchHit: searchHitSchema,
  Source: sourceSchema,
  Citation: citationSchema,
  Sources: sourcesSchema,
  Delta: deltaSchema,
  Statement: statementSchema,
  AnswerUsage: usageSchema,
  AnswerDone: answerDoneSchema,
  CompletionAnswer: completionAnswerSchema,
  WatchDone: watchDoneSchema,
  Tenant: tenantSchema,
  WorkProgress: workProgressSchema,
  AuditEvent: auditEventSchema,
} as const;

function namedSchemas(routes: readonly Route[]): NamedSchemas {
  const named = new Map<string, { schema: z.ZodType; io: 'input' | 'output' }>();
  const add = (name: string, schema: z.ZodType, io: 'input' | 'output'): void => {
    const known = named.get(name);
    if (known !== undefined && known.schema !== schema) throw new Error(`two schemas are named ${name}`);
    named.set(name, { schema, io });
  };
  for (const [name, schema] of Object.entries(parts)) add(name, schema, 'output');
  for (const { body, success } of routes) {
    if (body !== undefined) add(body.name, body.json, 'input');
    if (body?.multipart !== undefined) add(body.multipart.name, body.multipart.schema, 'input');
    if (success.json !== undefined) add(nameOf(success), success.json, 'output');
    for (const { events } of Object.values(success.streams ?? {})) {
      if (events !== undefined) add(events.name, events.schema, 'output');
    }
  }
  return named;
}

function pathsOf(routes: readonly Route[], version: OpenApiVersion): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = (paths[route.path] ??= {});
    path[route.method.toLowerCase()] = operationOf(route, version);
  }
  return paths;
}

function operationOf(route: Route, version: OpenApiVersion): JsonObject {
  const permission = requiredPermission(route.access);
  const needed =
    permission === undefined
      ? 'Needs a valid token and nothing else.'
      : `Needs the permission \`${permission.resource}\` \`${permission.action}\`.`;
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: [route.description, needed].filter((text) => text !== undefined).join('\n\n'),
    tags: [route.tag],
    parameters: [
      ...parametersOf(route.params, 'path', version),
      ...parametersOf(route.query, 'query', version),
      ...headerParameters(route.headers),
    ],
    ...(route.body === undefined ? {} : { requestBody: requestBodyOf(route.body) }),
    responses: {
      [route.success.status]: successOf(route.success),
      ...notModifiedOf(route.success),
      ...problemsOf(route),
    },
  };
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query', version: OpenApiVersion): JsonObject[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, version, 'input') as {
    readonly properties?: Readonly<Record<string, JsonObject>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description: text, ...property }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(text === undefined ? {} : { description: text }),
    schema: property,
  }));
}

const requestIdHeader: HeaderSpec = {
  description:
    'Your own id of the request, answered in the same header. One that is not given, or does not match, is replaced silently by one that is made up.',
  pattern: requestIdPattern.source,
  minLength: 1,
  maxLength: 128,
};

function headerParameters(headers: Readonly<Record<string, HeaderSpec>> = {}): JsonObject[] {
  return Object.entries({ ...headers, 'X-Request-Id': requestIdHeader }).map(
    ([name, { description: text, ...bounds }]) => ({
      name,
      in: 'header',
      required: false,
      description: text,
      schema: { type: 'string', ...bounds },
    }),
  );
}

function requestBodyOf(body: NonNullable<Route['body']>): JsonObject {
  const { multipart } = body;
  return {
    required: true,
    content: {
      ...(multipart === undefined ? {} : { 'multipart/form-data': { schema: schemaRef(multipart.name) } }),
      'application/json': { schema: schemaRef(body.name) },
    },
  };
}

function successOf(success: Success): JsonObject {
  const streams = Object.entries(success.streams ?? {}).map(([mediaType, stream]): [string, JsonObject] => [
    mediaType === '*' ? 'application/octet-stream' : mediaType,
    streamOf(stream),
  ]);
  const json =
    success.json === undefined ? [] : [['application/json', { schema: schemaRef(nameOf(success)) }] as const];
  const content = Object.fromEntries<JsonObject>([...json, ...streams]);
  return {
    description: success.description,
    headers: headersOf({ ...success.headers, 'X-Request-Id': 'Id of the request.', ...rateLimitHeaders }),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  };
}

/**
 * A stream of events is described as OpenAPI 3.2 reads sequential media types: as an array of its events. Before 3.2 there is
 * no other way to name their schemas.
 */
function streamOf({ description: text, events }: StreamSpec): JsonObject {
  if (events === undefined) return { schema: { type: 'string', format: 'binary', description: text } };
  return {
    schema: {
      type: 'array',
      items: schemaRef(events.name),
      description: `${text} Each with its data as JSON on one line.`,
    },
    examples: { stream: { summary: 'A whole stream, as it is sent', value: events.example } },
  };
}

function notModifiedOf({ notModified, headers }: Success): Record<string, JsonObject> {
  if (notModified === undefined) return {};
  return {
    304: { description: notModified, headers: headersOf({ ...headers, 'X-Request-Id': 'Id of the request.' }) },
  };
}

const rateLimitHeaders = {
  RateLimit: 'What is left of the policy (draft).',
  'RateLimit-Policy': 'Requests per window (draft).',
};

/** One response per status, naming every reason that may stand behind it. */
function problemsOf(route: Route): Record<string, JsonObject> {
  const all = new Set([...everywhere, ...(route.method === 'GET' ? [] : withBody), ...(route.problems ?? [])]);
  const byStatus = Map.groupBy([...all].sort(), (reason) => reasons[reason].status);
  const responses = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, group]): [string, JsonObject] => {
      const lines = group.map((reason) => `- \`${reason}\`: ${reasons[reason].message}`);
      return [
        String(status),
        {
          description: lines.join('\n'),
          headers: headersOf({ 'X-Request-Id': 'Id of the request.', ...problemHeaders(status) }),
          content: { [problemMediaType]: { schema: schemaRef('Problem') } },
        },
      ];
    });
  return Object.fromEntries(responses);
}

function problemHeaders(status: number): Record<string, string> {
  if (status === 401 || status === 403) return { 'WWW-Authenticate': 'What is wrong with the token (RFC 6750).' };
  return status === 429 || status === 503 ? { 'Retry-After': 'Seconds to wait before trying again.' } : {};
}

function headersOf(headers: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(
    Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
  );
}

function nameOf({ name }: Success): string {
  if (name === undefined) throw new Error('a JSON answer needs a name for its schema');
  return name;
}
