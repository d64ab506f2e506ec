import type { ConnectError } from '@connectrpc/connect';
import type { Interceptor } from '@connectrpc/connect';
import { AppError } from '../app-error.ts';
import { specOf } from '../reasons.ts';
import { isUnparsable, toWire } from '../to-wire.ts';
import { type CallRecord, recordOf } from './call-record.ts';
import type { ChainOptions } from './index.ts';
import { wrapIterable } from './wrap-iterable.ts';

/**
 * Turns whatever a handler throws into an AppError on the wire. What nobody foresaw becomes INTERNAL: its cause goes to the
 * log (described, never quoted) and nothing of it to the caller.
 */
export function mapErrors(options: Pick<ChainOptions, 'telemetry'>): Interceptor {
  const { log } = options.telemetry;

  function fail(record: CallRecord, error: unknown): ConnectError {
    const failure = explain(record, error);
    record.failure ??= failure;
    if (failure.reason === 'INTERNAL') log.error({ err: failure }, 'call failed');
    else if (specOf(failure.reason).status >= 500) log.warn({ err: failure }, 'call failed');
    return toWire(failure);
  }

  return (next) => async (request) => {
    const record = recordOf(request.contextValues);
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return {
        ...response,
        message: wrapIterable(response.message, {
          step: async (pull) => {
            try {
              return await pull();
            } catch (error) {
              throw fail(record, error);
            }
          },
        }),
      };
    } catch (error) {
      throw fail(record, error);
    }
  };
}

// Work that is aborted fails in many ways (a driver's error, an AbortError, a broken pipe). They all mean what the abort meant.
function explain(record: CallRecord, error: unknown): AppError {
  if (isUnparsable(error)) return new AppError('INVALID_ARGUMENT');
  const failure = AppError.from(error);
  if (!record.signal.aborted || (failure.reason !== 'INTERNAL' && failure.reason !== 'CANCELLED')) return failure;
  const aborted = AppError.from(record.signal.reason);
  return aborted.reason === 'INTERNAL' ? new AppError('CANCELLED', { cause: error }) : aborted;
}
