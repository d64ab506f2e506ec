import type { DescService } from '@bufbuild/protobuf';
import { type CallOptions, type Client, type Transport, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import type { Telemetry } from '@wardstone/telemetry';
import type { Principal } from '../principal.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { createCallingTransport } from './calling-transport.ts';

/** What createServiceClient needs. */
export interface ClientOptions {
  /** Where the service is, for example `http://127.0.0.1:7101`. */
  readonly baseUrl: string;
  /** The service's name; audience of the tokens. */
  readonly audience: string;
  /** Makes the bearer token of a call for a principal; from libs/access. */
  readonly authorize: (principal: Principal) => Promise<string>;
  /** Deadline of unary calls whose options name none. Default 30 s. */
  readonly defaultTimeoutMs?: number | undefined;
  /** Largest message the client reads. Default 4 MiB. */
  readonly readMaxBytes?: number | undefined;
  /** For spans and metrics of the calls. */
  readonly telemetry?: Telemetry | undefined;
  readonly connection?: ConnectionOptions | undefined;
  /** Instead of gRPC over a socket: an in-memory transport, for tests. */
  readonly transport?: Transport | undefined;
}

/** A client of a service: Connect's own type, so that a fake is a plain object. */
export type ServiceClient<S extends DescService> = Client<S>;

const defaultReadMaxBytes = 4 * 1024 * 1024;

/**
 * Makes a client. Every call needs to say for whom it is made: pass `forward(call)` or `asPrincipal(principal, …)` as its
 * options. What is thrown is always an AppError, with the reason that the service gave. Leaving a stream (break) cancels it.
 */
export function createServiceClient<S extends DescService>(service: S, options: ClientOptions): ServiceClient<S> {
  const transport =
    options.transport ??
    createGrpcTransport({
      baseUrl: options.baseUrl,
      readMaxBytes: options.readMaxBytes ?? defaultReadMaxBytes,
      sessionManager: new Connection(options.baseUrl, options.connection),
    });
  const client = createClient(service, createCallingTransport(transport, options));
  return cancelOnLeave(service, client);
}

// Connect's client leaves a stream running when its consumer stops reading. A server that goes on sending to nobody holds
// a transaction, or a model, for nothing.
function cancelOnLeave<S extends DescService>(service: S, client: Client<S>): Client<S> {
  const methods: [string, unknown][] = Object.entries(client);
  const wrapped = methods.map(([name, call]): [string, unknown] => {
    const kind = service.methods.find((method) => method.localName === name)?.methodKind;
    const streams = kind === 'server_streaming' || kind === 'bidi_streaming';
    return [name, streams && isStreamCall(call) ? cancellable(call) : call];
  });
  return Object.fromEntries(wrapped) as Client<S>;
}

type StreamCall = (request: unknown, options?: CallOptions) => AsyncIterable<unknown>;

function isStreamCall(call: unknown): call is StreamCall {
  return typeof call === 'function';
}

function cancellable(call: StreamCall): StreamCall {
  return (request, options) => {
    const left = new AbortController();
    const signal = options?.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
    return {
      [Symbol.asyncIterator]() {
        // The call begins with the first read: one that nobody reads would go on for nothing, and its failure would be
        // awaited by nobody, which ends the process.
        let iterator: AsyncIterator<unknown> | undefined;
        return {
          next: () => (iterator ??= call(request, { ...options, signal })[Symbol.asyncIterator]()).next(),
          async return(value: unknown) {
            left.abort();
            if (iterator === undefined) return { done: true, value };
            // Connect clears the call's deadline timer when its reader sees the end, which is now this error.
            await Promise.allSettled([iterator.next()]);
            return { done: true, value };
          },
        };
      },
    };
  };
}
