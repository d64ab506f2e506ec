import { AppError } from '@wardstone/rpc';
import type { Readable } from 'node:stream';
import type { RouteDeps } from '../deps.ts';
import { type StreamEvent, eventStream, eventStreamMediaType } from '../http/event-stream.ts';
import { asUpstreamError, toProblem } from '../problem.ts';
import type { RawCall } from '../route.ts';

/**
 * Answers with an event stream, within the tenant's share of streams. An error after the first event travels as the event
 * `error` with the problem as its data.
 *
 * Thrown: RATE_LIMITED; what the source throws before its first event.
 */
export async function streamEvents(
  { streams, limits }: Pick<RouteDeps, 'streams' | 'limits'>,
  call: Pick<RawCall, 'principal' | 'requestId' | 'request' | 'reply' | 'signal'>,
  source: AsyncIterable<StreamEvent>,
): Promise<Readable> {
  const release = streams.take(call.principal.tenantId ?? 'platform');
  call.reply.raw.once('close', release);
  const body = await eventStream(source, {
    heartbeatMs: limits.heartbeatMs,
    onError: (error) => {
      // A stream that the gateway itself broke off, because it drains, says so; the broken call only says that it was.
      const reason: unknown = call.signal.reason;
      const refusal = reason instanceof AppError ? reason : asUpstreamError(error);
      call.request.refusedWith = refusal.reason;
      return { event: 'error', data: toProblem(refusal, call.requestId) };
    },
  });
  // Proxies that buffer would hold back every event until the end.
  call.reply.header('Content-Type', eventStreamMediaType).header('X-Accel-Buffering', 'no');
  return body;
}
