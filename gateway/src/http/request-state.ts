import type { Principal, Reason } from '@wardstone/rpc';
import type { FastifyInstance } from 'fastify';
import type { Route } from '../route.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; undefined until the token has been verified. */
    principal: Principal | undefined;
    /** Why the request was refused or failed; undefined while all is well. */
    refusedWith: Reason | undefined;
  }
  interface FastifyContextConfig {
    /** The operation that is served; undefined for health, metrics and documentation. */
    operation?: Route;
    /** Tells of the gateway's own health: a 503 of it is an answer, not a failure. */
    isHealth?: boolean;
  }
}

/** Makes room on every request for what the gateway learns of it. */
export function decorateRequests(app: FastifyInstance): void {
  app.decorateRequest('principal', undefined);
  app.decorateRequest('refusedWith', undefined);
}
