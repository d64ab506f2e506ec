/** What the double has seen. */
import type { Exchange } from './exchange.ts';
import type { Route } from './routes.ts';
import type { BedrockCall, Json, TokenUsage } from './types.ts';

export interface RunningCall {
  head(status: number): void;
  frame(): void;
  error(type: string): void;
  /** Tokens of the answer so far, for calls that end before they tell. */
  produced(tokens: number): void;
  tokens(usage: Pick<TokenUsage, 'inputTokens' | 'outputTokens'>): void;
  end(): void;
}

export interface CallLog {
  readonly calls: readonly BedrockCall[];
  concurrent(): number;
  peakConcurrent(): number;
  forget(): void;
  begin(route: Route | undefined, body: Json, exchange: Pick<Exchange, 'headers' | 'gone'>): RunningCall;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

export function createCallLog(maxCalls: number): CallLog {
  const calls: Mutable<BedrockCall>[] = [];
  let concurrent = 0;
  let peak = 0;
  return {
    calls,
    concurrent: () => concurrent,
    peakConcurrent: () => peak,
    forget() {
      calls.length = 0;
      peak = concurrent;
    },
    begin(route, body, { headers, gone }) {
      concurrent += 1;
      peak = Math.max(peak, concurrent);
      const call = newCall(route, body, headers, concurrent);
      calls.push(call);
      if (calls.length > maxCalls) calls.shift();
      return {
        head: (status) => (call.status = status),
        frame: () => (call.frames += 1),
        error: (type) => (call.error = type),
        produced: (tokens) => (call.outputTokens += tokens),
        tokens({ inputTokens, outputTokens }) {
          call.inputTokens = inputTokens;
          call.outputTokens = outputTokens;
        },
        end() {
          concurrent -= 1;
          call.endedAtMs = performance.now();
          call.aborted = gone.aborted;
        },
      };
    },
  };
}

const secret: ReadonlySet<string> = new Set(['authorization', 'x-amz-security-token']);

function newCall(
  route: Route | undefined,
  body: Json,
  headers: Exchange['headers'],
  concurrentAtStart: number,
): Mutable<BedrockCall> {
  return {
    operation: route?.operation,
    model: route?.model ?? '',
    body,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.has(name))),
    startedAtMs: performance.now(),
    endedAtMs: undefined,
    concurrentAtStart,
    status: undefined,
    error: undefined,
    aborted: false,
    frames: 0,
    inputTokens: 0,
    outputTokens: 0,
  };
}
