import type { Auditor, Permission, Policy, Verifier } from '@wardstone/access';
import { AppError, type Principal } from '@wardstone/rpc';
import type { Logger } from '@wardstone/telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../route.ts';
import { bearerToken } from './bearer.ts';
import { requiredPermission } from './permission.ts';
import type { RateLimiter } from './rate-limit.ts';

/** Needed to let callers in. */
export interface AdmissionDeps {
  readonly verifyAccessToken: Verifier;
  readonly policy: Policy;
  readonly limiter: RateLimiter;
  readonly auditor: Pick<Auditor, 'record'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** Lets callers in, before anything of the body is read. */
export interface Admission {
  /**
   * In this order: a bearer token there is, it verifies, its principal has requests left, and holds the permission.
   * Thrown: UNAUTHENTICATED, TOKEN_EXPIRED, TOKEN_INVALID, SERVICE_UNAVAILABLE, RATE_LIMITED, PERMISSION_DENIED.
   */
  admit(request: FastifyRequest, reply: FastifyReply, permission: Permission | undefined): Promise<Principal>;
  /** Waits for denials that are still being recorded. */
  settled(): Promise<void>;
}

/** Most denials that are recorded at once; beyond that they are only logged, so that refusals cannot be made a burden. */
const maxPendingDenials = 100;

/** Makes the admission. */
export function createAdmission(deps: AdmissionDeps): Admission {
  const pending = new Set<Promise<void>>();

  const recordDenial = (principal: Principal, requestId: string, { resource, action }: Permission): void => {
    const denial = { action: `${resource}.${action}`, resourceType: resource, requestId } as const;
    if (pending.size >= maxPendingDenials) {
      deps.log.warn(denial, 'too many denials at once: this one is not in the audit log');
      return;
    }
    const event = { ...denial, resourceIds: [], outcome: 'denied', reason: 'PERMISSION_DENIED' } as const;
    const recorded: Promise<void> = deps.auditor
      .record({ principal, requestId }, event)
      .catch((err: unknown) => deps.log.warn({ ...denial, err }, 'a denial could not be recorded in the audit log'))
      .finally(() => pending.delete(recorded));
    pending.add(recorded);
  };

  const signIn = async (request: FastifyRequest): Promise<Principal> => {
    try {
      return await deps.verifyAccessToken(bearerToken(request.headers.authorization));
    } catch (error) {
      const isRefused = error instanceof AppError && error.status === 401;
      if (isRefused) await deps.limiter.countFailedSignIn(request);
      throw error;
    }
  };

  return {
    async admit(request, reply, permission) {
      const principal = await signIn(request);
      await deps.limiter.countRequest(request, reply, principal);
      if (permission !== undefined && !deps.policy.allows(principal, permission)) {
        recordDenial(principal, request.id, permission);
        throw new AppError('PERMISSION_DENIED');
      }
      return principal;
    },
    async settled() {
      await Promise.allSettled(pending);
    },
  };
}

/** Which of the permissions behind the routes a principal holds; each once. */
export function permissionsHeld(policy: Policy, principal: Principal, accesses: readonly RouteAccess[]): Permission[] {
  const held = new Map<string, Permission>();
  for (const routeAccess of accesses) {
    const permission = requiredPermission(routeAccess);
    if (permission === undefined || !policy.allows(principal, permission)) continue;
    held.set(`${permission.resource}.${permission.action}`, permission);
  }
  return [...held.values()];
}
