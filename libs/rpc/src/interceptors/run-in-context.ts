import { context } from '@opentelemetry/api';
import type { Interceptor } from '@connectrpc/connect';
import { requestContext } from '@wardstone/telemetry';
import { type CallRecord, recordOf } from './call-record.ts';
import { wrapIterable } from './wrap-iterable.ts';

/** Runs the handler inside the call's log context and span, so that all it logs, starts and calls belongs to the call. */
export function runInContext(): Interceptor {
  return (next) => async (request) => {
    const record = recordOf(request.contextValues);
    const response = await within(record, () => next(request));
    record.answered = !response.stream;
    if (!response.stream) return response;
    return {
      ...response,
      // A handler that streams runs when its messages are asked for, long after next() has returned.
      message: wrapIterable(response.message, {
        step: (pull) => within(record, pull),
        done: () => {
          record.answered = true;
        },
      }),
    };
  };
}

function within<T>(record: CallRecord, work: () => T): T {
  return context.with(record.traceContext, () => requestContext.run(record.logContext, work));
}
