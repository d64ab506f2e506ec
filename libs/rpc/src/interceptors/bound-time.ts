import type { Interceptor } from '@connectrpc/connect';
import { AppError } from '../app-error.ts';
import { recordOf } from './call-record.ts';
import { wrapIterable } from './wrap-iterable.ts';

/**
 * Gives the handler the call's bounded signal, and answers when that signal aborts whether or not the handler has noticed:
 * a caller never waits for work that nobody will look at.
 */
export function boundTime(): Interceptor {
  return (next) => async (request) => {
    const { signal } = recordOf(request.contextValues);
    const response = await race(signal, () => next({ ...request, signal }));
    if (!response.stream) return response;
    return { ...response, message: wrapIterable(response.message, { step: (pull) => race(signal, pull) }) };
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
