import { AsyncLocalStorage } from 'node:async_hooks';
import type { Interceptor } from '@connectrpc/connect';
import { AppError } from '../app-error.ts';
import { type CallRecord, recordOf } from './call-record.ts';

/**
 * Gives the handler the call's bounded signal, and answers when that signal aborts whether or not the handler has noticed:
 * a caller never waits for work that nobody will look at, and a handler that streams never for a caller that does not read.
 */
export function boundTime(): Interceptor {
  return (next) => async (request) => {
    const record = recordOf(request.contextValues);
    const { signal } = record;
    const response = await race(signal, () => next({ ...request, signal }));
    if (!response.stream) return response;
    return { ...response, message: endedWith(record, response.message) };
  };
}

/**
 * The messages of a handler, which is made to return when the signal aborts. A generator stands at its `yield` until
 * somebody pulls it, and behind a write that is blocked, or that has failed, nobody does: its `finally` would never run.
 */
function endedWith<T>({ signal, log }: CallRecord, source: AsyncIterable<T>): AsyncIterable<T> {
  // Signals abort outside of the call's context, and what the handler logs as it leaves belongs to the call.
  const inContext = AsyncLocalStorage.snapshot();
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      const leave = async () => {
        try {
          await iterator.return?.();
        } catch (error) {
          // The caller has its answer or is gone: what fails while the handler tidies up is for the log alone.
          log.warn({ err: error }, 'the handler of a call that is over failed to leave');
        }
      };
      const end = () => {
        signal.removeEventListener('abort', end);
        void inContext(leave);
      };
      signal.addEventListener('abort', end, { once: true });
      return {
        async next() {
          const result = await race(signal, () => iterator.next());
          if (result.done) signal.removeEventListener('abort', end);
          return result;
        },
        throw(error: Error) {
          end();
          return Promise.reject(error);
        },
        return() {
          end();
          return Promise.resolve({ done: true, value: undefined });
        },
      };
    },
  };
}

async function race<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw AppError.from(signal.reason);
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(AppError.from(signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(), promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
