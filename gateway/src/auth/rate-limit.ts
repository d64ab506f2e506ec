import { AppError, type Principal } from '@wardstone/rpc';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** How many requests are taken in a window. */
export interface RateLimits {
  readonly windowMs: number;
  /** Per principal. */
  readonly maxRequests: number;
  /** Failed sign-ins per client address: they have no principal to be counted by. */
  readonly maxFailedSignIns: number;
}

/** Counts requests per principal, in this process. */
export interface RateLimiter {
  /** Counts a request and writes the RateLimit headers. Thrown: RATE_LIMITED. */
  countRequest(request: FastifyRequest, reply: FastifyReply, principal: Principal): Promise<void>;
  /** Counts a failed sign-in. Thrown: RATE_LIMITED. Who has a good token is never refused because others have not. */
  countFailedSignIn(request: FastifyRequest): Promise<void>;
}

/** Most principals and addresses that are counted at once; the least recently seen are forgotten first. */
const maxCounted = 20_000;

/** Makes the limiter on `@fastify/rate-limit`, which must be registered. */
export function createRateLimiter(app: FastifyInstance, limits: RateLimits): RateLimiter {
  const keys = new WeakMap<FastifyRequest, string>();
  const counter = (max: number) =>
    app.createRateLimit({
      max,
      timeWindow: limits.windowMs,
      // The plugin's types leave this option out of the factory; without it the window would hold 5,000 keys.
      ...{ cache: maxCounted },
      keyGenerator: (request) => keys.get(request) ?? request.ip,
    });
  const requests = counter(limits.maxRequests);
  const failedSignIns = counter(limits.maxFailedSignIns);

  return {
    async countRequest(request, reply, { tenantId = 'platform', subject }) {
      keys.set(request, `${tenantId}/${subject}`);
      const count = await requests(request);
      if (count.isAllowed) return;
      const windowSeconds = Math.ceil(limits.windowMs / 1000);
      // draft-ietf-httpapi-ratelimit-headers: still a draft.
      reply.header('RateLimit-Policy', `"principal";q=${count.max};w=${windowSeconds}`);
      reply.header('RateLimit', `"principal";r=${count.remaining};t=${count.ttlInSeconds}`);
      if (count.isExceeded) throw new AppError('RATE_LIMITED', { retryAfterMs: Math.max(1000, count.ttl) });
    },
    async countFailedSignIn(request) {
      const count = await failedSignIns(request);
      if (!count.isAllowed && count.isExceeded) {
        throw new AppError('RATE_LIMITED', { retryAfterMs: Math.max(1000, count.ttl) });
      }
    },
  };
}
