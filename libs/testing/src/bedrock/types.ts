/** What tests see of the double: calls, handlers and faults. */
import type { BedrockErrorType, BedrockStreamException } from './errors.ts';

export type BedrockOperation = 'InvokeModel' | 'Converse' | 'ConverseStream' | 'Rerank' | 'ApplyGuardrail';

/** Any object of JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** What a handler is asked. */
export interface BedrockRequest {
  readonly operation: BedrockOperation;
  /** Model id or ARN; of ApplyGuardrail `<guardrail>/<version>`. */
  readonly model: string;
  readonly body: Json;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/** A call as it was seen, in the order in which calls came. */
export interface BedrockCall {
  /** Undefined when there is none of that path. */
  readonly operation: BedrockOperation | undefined;
  readonly model: string;
  readonly body: Json;
  /** In lower case, without those that prove who asks. */
  readonly headers: Readonly<Record<string, string>>;
  /** In milliseconds of `performance.now()`. */
  readonly startedAtMs: number;
  /** Undefined while it runs. */
  readonly endedAtMs: number | undefined;
  /** Calls in flight when it began, itself included. */
  readonly concurrentAtStart: number;
  /** Of the answer; undefined before it has begun, and when it never did. */
  readonly status: number | undefined;
  /** The error's type, in the head or as an event of the stream. */
  readonly error: string | undefined;
  /** The client left before the answer was complete. */
  readonly aborted: boolean;
  /** Frames of the event stream that were sent, whole or not. */
  readonly frames: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Tokens of one call, as `usage` has them. `inputTokens` are without those of the cache. */
export interface TokenUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  readonly cacheReadInputTokens?: number;
  readonly cacheWriteInputTokens?: number;
}

/** An event of ConverseStream, in the form that it has on the wire. Converse's answer is made of the same events. */
export type ConverseEvent =
  | { readonly messageStart: { readonly role: 'assistant' } }
  | { readonly contentBlockStart: { readonly contentBlockIndex: number; readonly start: Json } }
  | { readonly contentBlockDelta: { readonly contentBlockIndex: number; readonly delta: Json } }
  | { readonly contentBlockStop: { readonly contentBlockIndex: number } }
  | { readonly messageStop: { readonly stopReason: string; readonly additionalModelResponseFields?: Json } }
  | {
      readonly metadata: {
        readonly usage: TokenUsage;
        readonly metrics: { readonly latencyMs: number };
        readonly trace?: Json;
      };
    };

/** Says what a model answers. Thrown: BedrockRefusal for an answer that is an error. */
export type ConverseHandler = (
  request: BedrockRequest,
) => Iterable<ConverseEvent> | AsyncIterable<ConverseEvent> | Promise<Iterable<ConverseEvent>>;

/** What InvokeModel answers. */
export interface InvokeAnswer {
  readonly body: Json;
  readonly inputTokens: number;
  readonly outputTokens?: number;
}

/** Thrown: BedrockRefusal for an answer that is an error. */
export type InvokeHandler = (request: BedrockRequest) => InvokeAnswer | Promise<InvokeAnswer>;

/** The JSON that Rerank or ApplyGuardrail answers. Thrown: BedrockRefusal for an answer that is an error. */
export type JsonHandler = (request: BedrockRequest) => Json | Promise<Json>;

/** What goes wrong. `afterFrames` counts frames of ConverseStream that come through before; 0 means none, but the head. */
export type BedrockFault =
  | {
      readonly kind: 'error';
      readonly type: BedrockErrorType;
      /** Instead of the status of the reference. */
      readonly status?: number;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
    }
  /** Something between answers with a page of its own. */
  | { readonly kind: 'gateway-page'; readonly status: number }
  /** The answer is cut short in the middle of its JSON, with a good status. */
  | { readonly kind: 'broken-json' }
  /** Nothing is answered, not even the head. */
  | { readonly kind: 'stall' }
  | { readonly kind: 'stall-after'; readonly afterFrames: number }
  /** The TCP connection is reset before the head; other calls on the connection break as well. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'cut-after'; readonly afterFrames: number }
  /** The call's own HTTP/2 stream is reset, the connection stays. */
  | { readonly kind: 'reset-after'; readonly afterFrames: number }
  /** The server asks the connection to go away, and answers the call nevertheless. */
  | { readonly kind: 'go-away' }
  /** The body ends as if all were said. */
  | { readonly kind: 'end-after'; readonly afterFrames: number }
  /** A frame whose checksum does not fit. */
  | { readonly kind: 'bad-checksum-after'; readonly afterFrames: number }
  /** Half a frame, then the end of the body. */
  | { readonly kind: 'half-frame-after'; readonly afterFrames: number }
  /** A frame of a type that the client does not know; the others follow. */
  | { readonly kind: 'unknown-event-after'; readonly afterFrames: number; readonly type?: string }
  | {
      readonly kind: 'exception-after';
      readonly afterFrames: number;
      readonly type: BedrockStreamException;
      readonly message?: string;
    }
  /** An error that is in no model: message type `error`. */
  | {
      readonly kind: 'error-frame-after';
      readonly afterFrames: number;
      readonly code: string;
      readonly message: string;
    };

/** Which calls a fault happens to: of those that fit, all unless told. */
export interface FaultChoice {
  readonly operation?: BedrockOperation;
  readonly model?: string;
  /** The next so many. */
  readonly next?: number;
  /** The n-th, and every n-th after it. */
  readonly every?: number;
  /** This share of them, 0 to 1, spread evenly. */
  readonly share?: number;
  /** While more calls than this are in flight, the call itself included. */
  readonly whileConcurrentAbove?: number;
}
