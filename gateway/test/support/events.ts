import { createParser } from 'eventsource-parser';

/** Reads an event stream whose events have JSON as their data to its end. */
export async function readEvents(
  response: Response,
  onComment: () => void = () => undefined,
): Promise<{ event: string; data: unknown }[]> {
  const events = await readRawEvents(response, onComment);
  return events.map(({ event, data }) => ({ event, data: JSON.parse(data) as unknown }));
}

/** Reads an event stream to its end, with a parser of another hand than the gateway's writer. */
export async function readRawEvents(
  response: Response,
  onComment: () => void = () => undefined,
): Promise<{ event: string; data: string }[]> {
  const events: { event: string; data: string }[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => events.push({ event: event ?? 'message', data }),
    onComment,
  });
  const decoder = new TextDecoder();
  const body: AsyncIterable<Uint8Array> | undefined = response.body ?? undefined;
  if (body === undefined) return events;
  for await (const chunk of body) parser.feed(decoder.decode(chunk, { stream: true }));
  return events;
}
