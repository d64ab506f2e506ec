import { AsyncLocalStorage } from 'node:async_hooks';

/** Who asked for the work that is going on. Ids only. */
export interface RequestContext {
  readonly requestId: string;
  readonly tenantId?: string | undefined;
  /** Peer that made the call: a service's name or "client". */
  readonly caller?: string | undefined;
  /** Subject of the principal. */
  readonly subject?: string | undefined;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** The request that the running code serves. Every log line carries what is set here. */
export const requestContext = {
  /** Runs fn, and all that it starts, as part of the request. */
  run<T>(context: RequestContext, fn: () => T): T {
    return storage.run(context, fn);
  },
  /** The request being served, or undefined outside of one. */
  get(): RequestContext | undefined {
    return storage.getStore();
  },
};
