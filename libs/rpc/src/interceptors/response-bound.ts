import { type ContextValues, createContextKey } from '@connectrpc/connect';

/**
 * Says how long the caller has for its response: `withinMs` from now, and a moment more, whatever of it has not been taken
 * is thrown away with its stream. The last time said holds.
 */
export type ResponseBound = (withinMs: number) => void;

const boundKey = createContextKey<ResponseBound>(() => undefined, { description: 'wardstone response bound' });

/** The response bound of a call; without a socket there is none, and the function does nothing. */
export function responseBoundOf(values: ContextValues): ResponseBound {
  return values.get(boundKey);
}

/** Sets what responseBoundOf gives. */
export function setResponseBound(values: ContextValues, bound: ResponseBound): void {
  values.set(boundKey, bound);
}
