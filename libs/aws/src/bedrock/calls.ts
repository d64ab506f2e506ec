/**
 * Calls to Bedrock that end: in time, when their caller leaves, and never as if they were complete. The SDK's client of HTTP/2
 * does not see to that: a body that broke off, was reset or was aborted reads like one that ended, and a stream that is no
 * longer read goes on.
 */
import {
  ConverseStreamCommand,
  type BedrockRuntimeClient,
  type ConverseStreamCommandInput,
  type ConverseStreamOutput,
} from '@aws-sdk/client-bedrock-runtime';
import { AppError } from '@wardstone/rpc';
import { bedrockError, bedrockStreamError } from './errors.ts';

/** What bounds a call. */
export interface CallBounds {
  readonly signal: AbortSignal;
  /** From now until the answer is there. */
  readonly timeoutMs: number;
}

/**
 * One call whose answer comes whole: `send` hands the signal to the client.
 * Thrown: AppErrors alone, as `bedrockError` has them; MODEL_TIMEOUT when the time is over.
 */
export async function inBedrock<T>(send: (signal: AbortSignal) => Promise<T>, bounds: CallBounds): Promise<T> {
  const own = ownSignal(bounds.signal);
  try {
    own.endAfter(bounds.timeoutMs);
    return await send(own.signal);
  } catch (error) {
    throw own.reason() ?? bedrockError(error);
  } finally {
    own.dispose();
  }
}

/** The JSON of InvokeModel's body. Thrown: MODEL_STREAM_BROKEN when it is cut short. */
export function modelJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch (cause) {
    throw new AppError('MODEL_STREAM_BROKEN', { cause });
  }
}

/** What bounds an answer that is streamed. */
export interface StreamBounds {
  readonly signal: AbortSignal;
  /** From now until its first event. */
  readonly firstEventTimeoutMs: number;
  /** Longest silence between two events, while the reader waits for one. */
  readonly idleTimeoutMs: number;
}

/**
 * Begins an answer. Resolves with its first event, so that until then it may be begun once more; what comes after is not to be
 * had twice. The events end after `metadata` alone. A reader that leaves off ends the call at Bedrock.
 * Thrown, by the promise and by the events: AppErrors alone, MODEL_STREAM_BROKEN when it ends before `messageStop` and
 * `metadata`, MODEL_TIMEOUT when it is silent for too long, those of the exceptions in the stream, and that of the signal.
 */
export async function openConverseStream(
  client: Pick<BedrockRuntimeClient, 'send'>,
  input: ConverseStreamCommandInput,
  bounds: StreamBounds,
): Promise<AsyncGenerator<ConverseStreamOutput, void, undefined>> {
  const own = ownSignal(bounds.signal);
  try {
    own.endAfter(bounds.firstEventTimeoutMs);
    const { stream } = await client.send(new ConverseStreamCommand(input), { abortSignal: own.signal });
    if (stream === undefined) throw new AppError('MODEL_STREAM_BROKEN');
    const iterator = stream[Symbol.asyncIterator]();
    const first = await step(iterator, own);
    if (first === undefined) throw endedEarly();
    return events(first, iterator, own, bounds.idleTimeoutMs);
  } catch (error) {
    own.leave();
    throw own.reason() ?? bedrockError(error);
  }
}

async function* events(
  first: ConverseStreamOutput,
  iterator: AsyncIterator<ConverseStreamOutput>,
  own: OwnSignal,
  idleTimeoutMs: number,
): AsyncGenerator<ConverseStreamOutput, void, undefined> {
  let stopped = false;
  let told = false;
  try {
    for (let event: ConverseStreamOutput | undefined = first; event !== undefined;) {
      stopped ||= event.messageStop !== undefined;
      told ||= event.metadata !== undefined;
      yield event;
      own.endAfter(idleTimeoutMs);
      event = await step(iterator, own);
    }
    if (!stopped || !told) throw endedEarly();
  } finally {
    own.leave();
  }
}

function endedEarly(): AppError {
  return new AppError('MODEL_STREAM_BROKEN', { cause: new Error('it ended too early') });
}

/** The next event, or undefined at the end. Nothing is timed until the next step. */
async function step(
  iterator: AsyncIterator<ConverseStreamOutput>,
  own: OwnSignal,
): Promise<ConverseStreamOutput | undefined> {
  try {
    const next = await iterator.next();
    own.hold();
    // An aborted stream ends like any other.
    const reason = own.reason();
    if (reason !== undefined) throw reason;
    return next.done === true ? undefined : next.value;
  } catch (error) {
    throw own.reason() ?? bedrockStreamError(error);
  }
}

/** A signal of the call's own, which follows the caller's and has one timer. */
interface OwnSignal {
  readonly signal: AbortSignal;
  /** Ends the call with MODEL_TIMEOUT, unless it is told otherwise before. */
  endAfter(ms: number): void;
  hold(): void;
  /** What it was ended for, by the caller or by the time. */
  reason(): AppError | undefined;
  /** Ends what may still go on at Bedrock; no reason is left. */
  leave(): void;
  dispose(): void;
}

function ownSignal(caller: AbortSignal): OwnSignal {
  const own = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let ended: AppError | undefined;
  const end = (reason: AppError): void => {
    ended ??= reason;
    own.abort(reason);
  };
  const follow = (): void => {
    end(AppError.from(caller.reason));
  };
  if (caller.aborted) follow();
  else caller.addEventListener('abort', follow, { once: true });
  const dispose = (): void => {
    clearTimeout(timer);
    caller.removeEventListener('abort', follow);
  };
  return {
    signal: own.signal,
    endAfter(ms) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        end(new AppError('MODEL_TIMEOUT'));
      }, ms);
    },
    hold() {
      clearTimeout(timer);
    },
    reason: () => ended,
    leave() {
      dispose();
      own.abort();
    },
    dispose,
  };
}
