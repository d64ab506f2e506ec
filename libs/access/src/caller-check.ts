/**
 * The check before every RPC: who calls (the peer), for whom (the principal), and whether both may. In this order: a
 * bearer token there is; it verifies; the method accepts the peer; the policy allows the permission; the tenant may be used.
 */
import { type Access, Scope } from '@wardstone/rpc/gen/wardstone/access/v1/access_pb';
import { AppError, type CallerCheck, type Principal, type Reason } from '@wardstone/rpc';
import { decodeProtectedHeader } from 'jose';
import type { Verifier } from './access-token.ts';
import { type Policy, type Permission, serviceRights, serviceRole } from './policy.ts';
import { serviceTokenType } from './service-identity.ts';
import { createServiceTokenVerifier, type ServiceCall } from './service-token.ts';

/** A call that was refused although its token was good. */
export interface Denial {
  readonly principal: Principal;
  readonly peer: string;
  /** Fully qualified proto service and method. */
  readonly service: string;
  readonly method: string;
  readonly resource: string;
  readonly action: string;
  readonly reason: Reason;
}

/** Told of every denial before the caller is; what it throws is dropped, for a denial stays a denial. */
export type OnDenied = (denial: Denial) => void | Promise<void>;

/** Which tenants may be used: a gate of libs/tenancy. */
export interface TenantCheck {
  /** Thrown: TENANT_SUSPENDED, TENANT_OFFBOARDING; SERVICE_UNAVAILABLE while nothing is known of tenants. */
  check(tenantId: string): void;
}

/** Needed to check the callers of one service. */
export interface CallerCheckOptions {
  /** Name of this service: the audience that a service's token must have. */
  readonly service: string;
  /** Public keys of all services, `kid` = service name. */
  readonly serviceJwksFile: string;
  readonly verifyAccessToken: Verifier;
  readonly policy: Policy;
  /** Refuses tenants that may not be used; without it, as in tenant-key and audit, every tenant is served. */
  readonly gate?: TenantCheck | undefined;
  readonly onDenied?: OnDenied | undefined;
  readonly now?: () => number;
}

/**
 * Makes the check. Thrown by it: UNAUTHENTICATED (no bearer token), TOKEN_EXPIRED, TOKEN_INVALID, CALLER_NOT_ACCEPTED (the
 * method does not list the peer), PERMISSION_DENIED, TENANT_SUSPENDED, TENANT_OFFBOARDING, SERVICE_UNAVAILABLE (the
 * provider's keys cannot be fetched, or nothing is known of tenants yet).
 *
 * A user's own token is never accepted at a service: users come through the gateway. A provider token counts as peer
 * "client" only when it is a client-credential token.
 */
export function createCallerCheck(options: CallerCheckOptions): CallerCheck {
  const { policy, verifyAccessToken, onDenied } = options;
  const verifyServiceToken = createServiceTokenVerifier({
    service: options.service,
    serviceJwksFile: options.serviceJwksFile,
    ...(options.now === undefined ? {} : { now: options.now }),
  });

  const identify = async (bearer: string): Promise<ServiceCall> => {
    if (tokenType(bearer) === serviceTokenType) return verifyServiceToken(bearer);
    const principal = await verifyAccessToken(bearer);
    return { principal, peer: principal.kind };
  };

  return async ({ authorization, service, method, access }) => {
    const call = await identify(bearerOf(authorization));
    const reason = refusal(policy, call, access) ?? closedTo(options.gate, call);
    if (reason === undefined) return call;
    const { resource, action } = access;
    const denial: Denial = { ...call, service, method: method.name, resource, action, reason };
    await tell(onDenied, denial);
    throw new AppError(reason);
  };
}

/** Why the call is refused, or nothing. Pure. */
function refusal(policy: Policy, call: ServiceCall, access: Access): Reason | undefined {
  // "user" is the kind of peer that no method may list, even by mistake.
  if (call.peer === 'user' || !access.callers.includes(call.peer)) return 'CALLER_NOT_ACCEPTED';
  const permission: Permission = {
    resource: access.resource,
    action: access.action,
    scope: access.scope === Scope.PLATFORM ? 'platform' : 'tenant',
  };
  return policy.allows(judged(call, access), permission) ? undefined : 'PERMISSION_DENIED';
}

/** Why the tenant is not served, or nothing. What is not known is nobody's denial: SERVICE_UNAVAILABLE is thrown. */
function closedTo(gate: TenantCheck | undefined, { principal }: ServiceCall): Reason | undefined {
  if (gate === undefined || principal.tenantId === undefined) return undefined;
  try {
    gate.check(principal.tenantId);
    return undefined;
  } catch (error) {
    const { reason } = AppError.from(error);
    if (reason === 'SERVICE_UNAVAILABLE') throw error;
    return reason;
  }
}

/** Who is judged: for a right of services the calling service, in the principal's tenant; for all else the principal. */
function judged(call: ServiceCall, { resource, action }: Access): Pick<Principal, 'roles' | 'tenantId'> {
  const byService = call.peer !== 'client' && serviceRights.has(`${resource}.${action}`);
  return byService ? { roles: [serviceRole], tenantId: call.principal.tenantId } : call.principal;
}

function bearerOf(authorization: string | null): string {
  const match = /^Bearer ([A-Za-z0-9._~+/=-]{1,16384})$/i.exec(authorization ?? '');
  if (match?.[1] === undefined) throw new AppError('UNAUTHENTICATED');
  return match[1];
}

/** Only chooses the verifier; each verifier then insists on its own type. */
function tokenType(bearer: string): string | undefined {
  try {
    return decodeProtectedHeader(bearer).typ;
  } catch (cause) {
    throw new AppError('TOKEN_INVALID', { cause });
  }
}

async function tell(onDenied: OnDenied | undefined, denial: Denial): Promise<void> {
  try {
    await onDenied?.(denial);
  } catch {
    // The caller is refused either way, and gets no data: onDenied itself logs what it could not record.
  }
}
