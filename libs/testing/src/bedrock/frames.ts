/** Frames of `application/vnd.amazon.eventstream`, with the checksums of the SDK's own codec. */
import { EventStreamCodec } from '@smithy/core/event-streams';
import { fromUtf8, toUtf8 } from '@smithy/core/serde';
import type { Json } from './types.ts';

const codec = new EventStreamCodec(toUtf8, fromUtf8);

/** An event of a type, with its JSON. */
export function eventFrame(type: string, body: Json): Uint8Array {
  return frame({ ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' }, body);
}

/** An exception that the API reference has. */
export function exceptionFrame(type: string, body: Json): Uint8Array {
  return frame({ ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' }, body);
}

/** An error that it does not have. */
export function errorFrame(code: string, message: string): Uint8Array {
  return frame({ ':error-code': code, ':error-message': message, ':message-type': 'error' }, {});
}

/** The frame with its last checksum altered. */
export function withBadChecksum(whole: Uint8Array): Uint8Array {
  const broken = Uint8Array.from(whole);
  const last = broken.length - 1;
  broken[last] = (broken[last] ?? 0) ^ 0xff;
  return broken;
}

function frame(headers: Readonly<Record<string, string>>, body: Json): Uint8Array {
  return codec.encode({
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, { type: 'string' as const, value }]),
    ),
    body: fromUtf8(JSON.stringify(body)),
  });
}
