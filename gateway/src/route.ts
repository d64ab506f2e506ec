import type { DescMethod } from '@bufbuild/protobuf';
import type { CallOptions } from '@connectrpc/connect';
import type { Principal, Reason, Slots } from '@wardstone/rpc';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { AppError } from '@wardstone/rpc';
import type { PaceBounds } from './http/pace.ts';
import { refusedBySchema } from './problem.ts';

/** Groups of operations in the API's description. */
export type Tag =
  'Documents' | 'Search' | 'Answers' | 'Completions' | 'Conversations' | 'Settings' | 'Tenants' | 'Audit' | 'Me';

/**
 * Whose permission a route needs: that of the RPC it calls, as the proto declares it; or `own-token` for what tells the
 * caller nothing but what its own token says.
 */
export type RouteAccess = { readonly rpc: DescMethod } | 'own-token';

/** What is streamed as one media type. */
export interface StreamSpec {
  readonly description: string;
  /** Where server-sent events are streamed: what each may be, and one whole stream as it is sent. */
  readonly events?: { readonly name: string; readonly schema: z.ZodType; readonly example: string };
}

/** A request header as it is described. */
export interface HeaderSpec {
  readonly description: string;
  /** Regular expression (ECMA-262). */
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** How a route answers when all is well. */
export interface Success {
  readonly status: 200 | 201 | 202 | 204;
  readonly description: string;
  /** Checked and stripped before it is sent; absent when the body is a stream or empty. */
  readonly json?: z.ZodType;
  /** Name of the JSON schema in the API's description. */
  readonly name?: string;
  /** Media types that are streamed, with what is in them. `*` stands for whatever type the document has. */
  readonly streams?: Readonly<Record<string, StreamSpec>>;
  /** When it answers 304 without a body instead. */
  readonly notModified?: string;
  /** Response headers beside the common ones. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The body that a route takes. One that takes none lets an empty object pass, which some clients always send. */
export interface BodySpec<Body extends z.ZodType> {
  readonly json: Body;
  readonly name: string;
  /** Longest JSON body in bytes. */
  readonly maxBytes: number;
  /** Longest time for a JSON body to come in. */
  readonly timeoutMs: number;
  /** The least pace of a JSON body; where its whole time is short, it is left out. */
  readonly pace?: PaceBounds;
  /** Bounds how many JSON bodies of this route are in memory at once, per tenant; where they are small, it is left out. */
  readonly held?: Slots;
  /** The same as multipart/form-data, read by the handler itself as it streams in. */
  readonly multipart?: { readonly schema: z.ZodType; readonly name: string };
}

/** What a handler knows of its request. */
export interface RouteCall<Params, Query, Body> {
  readonly principal: Principal;
  readonly requestId: string;
  /** Aborts when the client leaves before the answer is complete, and when the gateway drains. */
  readonly signal: AbortSignal;
  readonly params: Params;
  readonly query: Query;
  /** The checked JSON body; undefined when the body is multipart. */
  readonly body: Body;
  /** The media type that the client likes best of those the route offers, or that its body chose. */
  readonly accepted: string;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Options for a call to a service on the caller's behalf. */
  as(timeoutMs?: number): CallOptions;
}

/** A call before its parameters and body have been checked. */
export type RawCall = Omit<RouteCall<unknown, unknown, unknown>, 'params' | 'query' | 'body'>;

/** One operation of the API: what it is, what it needs, and what it does. Everything else is derived from it. */
export interface RouteSpec<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With parameters in braces, as in OpenAPI: `/v1/documents/{documentId}`. */
  readonly path: `/v1/${string}`;
  readonly access: RouteAccess;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: Tag;
  readonly params?: Params;
  /** What a path that names nothing is answered with. */
  readonly notFound?: Reason;
  readonly query?: Query;
  /** Request headers beside the common ones. */
  readonly headers?: Readonly<Record<string, HeaderSpec>>;
  readonly body?: BodySpec<Body>;
  readonly success: Success;
  /**
   * Where the body chooses among the media types of the answer, instead of Accept: the one that it chooses. The body has not
   * been checked then.
   */
  readonly mediaTypeOf?: (body: unknown) => string;
  /** Reasons beside those that every route has. */
  readonly problems?: readonly Reason[];
  readonly handle: (call: RouteCall<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<unknown>;
}

/** A route with its types forgotten, as the server and the API's description see it. */
export interface Route extends Omit<RouteSpec<z.ZodType, z.ZodType, z.ZodType>, 'handle'> {
  /** Checks the request against the route's schemas, then handles it. Gives a JSON value, a stream, or nothing. */
  readonly handle: (call: RawCall) => Promise<unknown>;
}

/** Declares a route. Its handler sees only what the schemas have let through. */
export function route<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
>(spec: RouteSpec<Params, Query, Body>): Route {
  const { handle, ...rest } = spec;
  return {
    ...rest,
    handle: async (raw) => {
      const params = parseParams(spec, raw.request.params);
      const query = parse(spec.query, raw.request.query) as z.output<Query>;
      const body = parseBody(spec, raw.request) as z.output<Body>;
      const result = await handle({ ...raw, params, query, body });
      return isStream(result) || spec.success.json === undefined ? result : spec.success.json.parse(result);
    },
  };
}

/** Whether a handler's result is streamed. */
export function isStream(result: unknown): result is Readable {
  return typeof result === 'object' && result !== null && 'pipe' in result;
}

// A path whose id is malformed names nothing, exactly like one whose id was never given out.
function parseParams<Params extends z.ZodType>(
  spec: Pick<RouteSpec<Params, z.ZodType, z.ZodType>, 'params' | 'notFound'>,
  value: unknown,
): z.output<Params> {
  const result = spec.params?.safeParse(value);
  if (result?.success === false) throw new AppError(spec.notFound ?? 'NOT_FOUND');
  return result?.data as z.output<Params>;
}

const noFields = z.strictObject({});

function parse(schema: z.ZodType | undefined, value: unknown): unknown {
  // A route without query parameters knows none: a misspelt filter must not be taken for no filter.
  const result = (schema ?? noFields).safeParse(value);
  if (!result.success) throw refusedBySchema(result.error);
  return result.data;
}

function parseBody(spec: { readonly body?: BodySpec<z.ZodType> }, request: FastifyRequest): unknown {
  if (spec.body === undefined) {
    if (request.body !== undefined && request.body !== null) parse(noFields, request.body);
    return undefined;
  }
  if (request.isMultipart()) return undefined;
  if (request.body === undefined) throw new AppError('MALFORMED_JSON', { message: 'The body is empty.' });
  return parse(spec.body.json, request.body);
}
