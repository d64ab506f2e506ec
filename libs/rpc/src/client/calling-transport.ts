import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import { type Context, type Span, SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import {
  Code,
  ConnectError,
  type ContextValues,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from '@connectrpc/connect';
import { currentTraceparent, requestContext } from '@wardstone/telemetry';
import { AppError } from '../app-error.ts';
import { outgoingOf } from '../call.ts';
import { type RpcMetrics, createRpcClientMetrics } from '../interceptors/metrics.ts';
import { wrapIterable } from '../interceptors/wrap-iterable.ts';
import { isUnparsable } from '../to-wire.ts';
import type { ClientOptions } from './service-client.ts';

const defaultTimeoutMs = 30_000;

type HeadersLike = ConstructorParameters<typeof Headers>[0];

type AnyMethod = DescMethodUnary | DescMethodStreaming;

/**
 * A transport that makes every call as Wardstone makes calls: for a principal, with a token of its own, a request id, the
 * running trace, a deadline, a span and metrics; that tries a call once more when its connection broke and that is safe; and
 * that throws nothing but AppError.
 */
export function createCallingTransport(transport: Transport, options: ClientOptions): Transport {
  const metrics = options.telemetry && createRpcClientMetrics(options.telemetry.metrics);

  return {
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersLike | undefined,
      input: MessageInitShape<I>,
      values?: ContextValues,
    ): Promise<UnaryResponse<I, O>> {
      const call = beginCall(method, options, metrics);
      const endsAt = performance.now() + (timeoutMs ?? options.defaultTimeoutMs ?? defaultTimeoutMs);
      const attempt = async () => {
        const leftMs = Math.max(1, Math.ceil(endsAt - performance.now()));
        const headers = await headersOf(options, header, values);
        return await call.within(() => transport.unary(method, signal, leftMs, call.inject(headers), input, values));
      };
      try {
        const response = await attempt().catch((error: unknown) => {
          if (!mayRetry(method, error, signal) || performance.now() >= endsAt) throw error;
          return attempt();
        });
        call.end();
        return response;
      } catch (error) {
        throw call.end(explain(error, signal));
      }
    },

    async stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersLike | undefined,
      input: AsyncIterable<MessageInitShape<I>>,
      values?: ContextValues,
    ): Promise<StreamResponse<I, O>> {
      const call = beginCall(method, options, metrics);
      try {
        const headers = await headersOf(options, header, values);
        const response = await call.within(() =>
          transport.stream(method, signal, timeoutMs, call.inject(headers), input, values),
        );
        const message = wrapIterable(response.message, {
          step: async (pull) => {
            try {
              return await pull();
            } catch (error) {
              throw call.end(explain(error, signal));
            }
          },
          done: () => call.end(),
          left: () => call.end(new AppError('CANCELLED')),
        });
        return { ...response, message };
      } catch (error) {
        throw call.end(explain(error, signal));
      }
    },
  };
}

async function headersOf(options: ClientOptions, given: HeadersLike | undefined, values: ContextValues | undefined) {
  const outgoing = outgoingOf(values);
  if (!outgoing) {
    const cause = new Error('a call needs forward(call) or asPrincipal(principal) as its options');
    throw new AppError('INTERNAL', { cause });
  }
  const headers = new Headers(given);
  headers.set('authorization', `Bearer ${await options.authorize(outgoing.principal)}`);
  const requestId = outgoing.requestId ?? requestContext.get()?.requestId;
  if (requestId !== undefined) headers.set('x-request-id', requestId);
  return headers;
}

interface RunningCall {
  within<T>(work: () => T): T;
  inject(headers: Headers): Headers;
  end(): void;
  end(failure: AppError): AppError;
}

function beginCall(method: AnyMethod, options: ClientOptions, metrics: RpcMetrics | undefined): RunningCall {
  const startedAt = performance.now();
  const labels = { service: method.parent.typeName, method: method.name };
  const span: Span | undefined = options.telemetry?.tracer.startSpan(`${labels.service}/${labels.method}`, {
    kind: SpanKind.CLIENT,
    attributes: {
      'rpc.system': 'grpc',
      'rpc.service': labels.service,
      'rpc.method': labels.method,
      'peer.service': options.audience,
    },
  });
  const running: Context = span ? trace.setSpan(context.active(), span) : context.active();
  metrics?.inFlight.inc(labels);
  let ended = false;

  function end(): void;
  function end(failure: AppError): AppError;
  function end(failure?: AppError): AppError | undefined {
    if (ended) return failure;
    ended = true;
    metrics?.inFlight.dec(labels);
    metrics?.observe({ ...labels, code: failure ? Code[failure.code] : 'Ok' }, (performance.now() - startedAt) / 1_000);
    if (failure) span?.setAttribute('error.type', failure.reason).setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    return failure;
  }

  return {
    within: (work) => context.with(running, work),
    inject(headers) {
      const traceparent = context.with(running, currentTraceparent);
      if (traceparent !== undefined) headers.set('traceparent', traceparent);
      return headers;
    },
    end,
  };
}

// Codes that Connect gives to connections that broke, when no status had come from the server.
const brokenCodes: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.Canceled,
  Code.Internal,
  Code.Unknown,
  Code.DataLoss,
]);

function isBroken(error: unknown, signal: AbortSignal | undefined): error is ConnectError {
  if (signal?.aborted || !(error instanceof ConnectError)) return false;
  if (isUnparsable(error)) return false;
  return !error.isWireError && error.details.length === 0 && brokenCodes.has(error.code);
}

function mayRetry(method: DescMethodUnary, error: unknown, signal: AbortSignal | undefined): boolean {
  if (!isBroken(error, signal)) return false;
  return method.idempotency === Idempotency.NO_SIDE_EFFECTS || wasNotProcessed(error);
}

// RFC 9113, 8.7: a refused stream was not processed, so its call may be made again whatever it does. It happens to calls that
// cross with a GOAWAY. Connect keeps the code only in its message.
function wasNotProcessed(error: ConnectError): boolean {
  return error.rawMessage.includes('REFUSED_STREAM');
}

function explain(error: unknown, signal: AbortSignal | undefined): AppError {
  if (isBroken(error, signal)) return new AppError('SERVICE_UNAVAILABLE', { cause: error });
  if (signal?.aborted && error instanceof ConnectError && !error.isWireError) {
    const reason = AppError.from(signal.reason);
    return new AppError(reason.reason === 'DEADLINE_EXCEEDED' ? 'DEADLINE_EXCEEDED' : 'CANCELLED', { cause: error });
  }
  return AppError.from(error);
}
