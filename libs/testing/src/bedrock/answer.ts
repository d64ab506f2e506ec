/** How an answer goes out: whole, as a stream of frames, or as a fault has it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { tokensOf } from './converse.ts';
import { bedrockErrors, type BedrockErrorType } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { errorFrame, eventFrame, exceptionFrame, withBadChecksum } from './frames.ts';
import type { BedrockFault, ConverseEvent, Json } from './types.ts';

/** What an answer is sent with. */
export interface Sending {
  readonly exchange: Exchange;
  readonly fault: BedrockFault | undefined;
  /** Sent with every answer. */
  readonly headers: Readonly<Record<string, string>>;
  readonly perTokenMs: number;
  /** Told of what is sent. */
  readonly sent: {
    head(status: number): void;
    frame(): void;
    error(type: string): void;
  };
}

export interface ErrorAnswer {
  readonly type: BedrockErrorType;
  readonly message?: string | undefined;
  readonly status?: number | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

/** An error in the form of AWS's JSON services: its type in a header, its message in the body. */
export function sendError(sending: Sending, { type, message = type, status, retryAfterSeconds }: ErrorAnswer): void {
  sending.sent.error(type);
  sendHead(sending, status ?? bedrockErrors[type], {
    'content-type': 'application/json',
    'x-amzn-errortype': `${type}:http://internal.amazon.com/coral/com.amazon.bedrock/`,
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
  });
  sending.exchange.end(Buffer.from(JSON.stringify({ message })));
}

/** Faults that come before any answer. False when the fault is none of these. */
export async function sendFault(sending: Sending): Promise<boolean> {
  const { exchange, fault } = sending;
  switch (fault?.kind) {
    case 'error':
      sendError(sending, fault);
      return true;
    case 'gateway-page':
      sendHead(sending, fault.status, { 'content-type': 'text/html' });
      exchange.end(Buffer.from(`<html><body><h1>${String(fault.status)}</h1></body></html>`));
      return true;
    case 'stall':
      await clientLeft(exchange);
      return true;
    case 'cut':
      exchange.cut();
      return true;
    case 'go-away':
      exchange.goAway();
      return false;
    default:
      return false;
  }
}

/** The whole answer at once; a fault that comes after the head comes in its middle. */
export async function sendJson(
  sending: Sending,
  json: Json,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { exchange, fault } = sending;
  sendHead(sending, 200, { 'content-type': 'application/json', ...headers });
  const bytes = Buffer.from(JSON.stringify(json));
  if (fault === undefined || fault.kind === 'go-away') {
    exchange.end(bytes);
    return;
  }
  await exchange.write(bytes.subarray(0, bytes.length / 2));
  await breakOff(exchange, fault);
}

/** A frame for each event; `fault` strikes when its number of frames is out, at the latest at the end. */
export async function sendEvents(
  sending: Sending,
  events: Iterable<ConverseEvent> | AsyncIterable<ConverseEvent>,
): Promise<void> {
  const { exchange, fault, perTokenMs, sent } = sending;
  sendHead(sending, 200, { 'content-type': 'application/vnd.amazon.eventstream' });
  const afterFrames = fault !== undefined && 'afterFrames' in fault ? fault.afterFrames : Infinity;
  let frames = 0;
  let struck = false;
  for await (const event of events) {
    if (exchange.gone.aborted) return;
    const waitMs = perTokenMs * tokensOf(event);
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: exchange.gone });
    const frame = frameOf(event);
    if (!struck && frames === afterFrames) {
      struck = true;
      if (await strike(sending, frame)) return;
    }
    frames += 1;
    sent.frame();
    await exchange.write(frame);
  }
  if (!struck && afterFrames !== Infinity && (await strike(sending, eventFrame('messageStop', {})))) return;
  exchange.end();
}

/** True when the answer is over. `frame` is the one that would be next. */
async function strike(sending: Sending, frame: Uint8Array): Promise<boolean> {
  const { exchange, fault, sent } = sending;
  sent.frame();
  switch (fault?.kind) {
    case 'bad-checksum-after':
      exchange.end(withBadChecksum(frame));
      return true;
    case 'half-frame-after':
      exchange.end(frame.subarray(0, frame.length / 2));
      return true;
    case 'exception-after':
      sent.error(fault.type);
      exchange.end(exceptionFrame(fault.type, { message: fault.message ?? fault.type }));
      return true;
    case 'error-frame-after':
      sent.error(fault.code);
      exchange.end(errorFrame(fault.code, fault.message));
      return true;
    case 'unknown-event-after':
      await exchange.write(eventFrame(fault.type ?? 'somethingNew', { anything: 1 }));
      return false;
    default:
      await breakOff(exchange, fault);
      return true;
  }
}

/** What may happen to any answer that has begun. */
async function breakOff(exchange: Exchange, fault: BedrockFault | undefined): Promise<void> {
  switch (fault?.kind) {
    case 'stall-after':
      await clientLeft(exchange);
      return;
    case 'cut-after':
      exchange.cut();
      return;
    case 'reset-after':
      exchange.reset();
      return;
    default:
      exchange.end();
  }
}

function sendHead(sending: Sending, status: number, headers: Readonly<Record<string, string>>): void {
  sending.sent.head(status);
  sending.exchange.head(status, { ...sending.headers, ...headers });
}

function frameOf(event: ConverseEvent): Uint8Array {
  const [type = '', body] = Object.entries(event)[0] ?? [];
  // Bedrock pads its frames, so that their lengths do not tell what is in them.
  return eventFrame(type, { ...(body as Json), p: 'abcdefghijkl' });
}

async function clientLeft({ gone }: Exchange): Promise<void> {
  if (gone.aborted) return;
  await new Promise<void>((resolve) => {
    gone.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
