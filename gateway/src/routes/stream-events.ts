import { AppError } from '@wardstone/rpc';
import type { Readable } from 'node:stream';
import type { RouteDeps } from '../deps.ts';
import { type StreamEvent, eventStream, eventStreamMediaType, frame } from '../http/event-stream.ts';
import { asUpstreamError, toProblem } from '../problem.ts';
import type { RawCall } from '../route.ts';
import type { Problem } from '../schemas/problem.ts';

/** How the events of a stream are written, and how it tells that it broke off. */
export interface StreamForm<Event> {
  readonly frame: (event: Event) => string;
  readonly failed: (problem: Problem) => Event;
}

const namedEvents: StreamForm<StreamEvent> = { frame, failed: (data) => ({ event: 'error', data }) };

type Streaming = Pick<RouteDeps, 'streams' | 'limits'>;
type StreamingCall = Pick<RawCall, 'principal' | 'requestId' | 'request' | 'reply' | 'signal'>;

/**
 * Answers with a stream of named events, within the tenant's share of streams. An error after the first event travels as the
 * event `error` with the problem as its data.
 *
 * Thrown: RATE_LIMITED; what the source throws before its first event.
 */
export function streamEvents(
  deps: Streaming,
  call: StreamingCall,
  source: AsyncIterable<StreamEvent>,
): Promise<Readable> {
  return streamAs(namedEvents, deps, call, source);
}

/** The same for events of another form. */
export async function streamAs<Event>(
  { frame: write, failed }: StreamForm<Event>,
  { streams, limits }: Streaming,
  call: StreamingCall,
  source: AsyncIterable<Event>,
): Promise<Readable> {
  const release = streams.take(call.principal.tenantId ?? 'platform');
  call.reply.raw.once('close', release);
  const body = await eventStream(source, {
    frame: write,
    heartbeatMs: limits.heartbeatMs,
    onError: (error) => {
      // A stream that the gateway itself broke off, because it drains, says so; the broken call only says that it was.
      const reason: unknown = call.signal.reason;
      const refusal = reason instanceof AppError ? reason : asUpstreamError(error);
      call.request.refusedWith = refusal.reason;
      return failed(toProblem(refusal, call.requestId));
    },
  });
  // Proxies that buffer would hold back every event until the end.
  call.reply.header('Content-Type', eventStreamMediaType).header('X-Accel-Buffering', 'no');
  return body;
}
