import { Readable } from 'node:stream';

/** Server-sent events (WHATWG HTML §9.2): heartbeats are comments. */

/** An event to send. */
export interface StreamEvent {
  readonly event: string;
  /** Sent as JSON on one line. */
  readonly data: unknown;
}

/** Media type of an event stream. */
export const eventStreamMediaType = 'text/event-stream';

/** What an event stream needs. */
export interface EventStreamOptions<Event> {
  /** An event as it is sent, with the blank line behind it. */
  readonly frame: (event: Event) => string;
  /** Silence after which a comment is sent, so that proxies keep the connection. */
  readonly heartbeatMs: number;
  /** The last event when the source throws: the problem body, since the status has been sent. */
  readonly onError: (error: unknown) => Event;
}

/**
 * The response body of an event stream. Waits for the first event, at most one heartbeat long: a source that fails at once
 * rejects here, while the answer can still have the right status. Ends after the source; the reader sets the pace.
 */
export async function eventStream<Event>(
  source: AsyncIterable<Event>,
  options: EventStreamOptions<Event>,
): Promise<Readable> {
  const events = source[Symbol.asyncIterator]();
  const first = events.next();
  await within(first, options.heartbeatMs);
  return Readable.from(frames(events, first, options), { objectMode: false, highWaterMark: 16 * 1024 });
}

async function* frames<Event>(
  events: AsyncIterator<Event>,
  first: Promise<IteratorResult<Event>>,
  options: EventStreamOptions<Event>,
): AsyncGenerator<string> {
  let next = first;
  try {
    for (;;) {
      const result = await within(next, options.heartbeatMs);
      if (result === undefined) {
        yield ': heartbeat\n\n';
        continue;
      }
      if (result.done === true) return;
      yield options.frame(result.value);
      next = events.next();
    }
  } catch (error) {
    yield options.frame(options.onError(error));
  } finally {
    // Not awaited: a source that is in the middle of a step ends when its signal is aborted.
    void events.return?.().catch(() => undefined);
  }
}

/** A named event as it is sent. JSON has no raw line breaks, so that data is always one line. */
export function frame({ event, data }: StreamEvent): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** What the promise becomes, or undefined when it takes longer. The promise goes on, and a later failure is not lost. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
