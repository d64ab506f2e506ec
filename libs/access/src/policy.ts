/**
 * Who may do what: Casbin, RBAC with domains. A tenant is a domain (`tenant/<id>`), the platform is another (`platform`).
 * What no rule allows is refused. The table in this package's README is tested against these rules.
 */
import type { Principal } from '@wardstone/rpc';
import { newEnforcer, newModelFromString, StringAdapter } from 'casbin';

/** Where a permission is looked up: in the principal's own tenant, or on the platform as a whole. */
export type PolicyScope = 'tenant' | 'platform';

/** What somebody wants to do. */
export interface Permission {
  /** Kind of thing, for example "document". */
  readonly resource: string;
  /** What is done to it, for example "read". */
  readonly action: string;
  readonly scope: PolicyScope;
}

/** Decides; holds no state of a request and does no I/O. */
export interface Policy {
  /** Whether one of the principal's roles has the permission in the domain that the scope names. Default: no. */
  allows(principal: Pick<Principal, 'roles' | 'tenantId'>, permission: Permission): boolean;
}

/** Roles that a person or a client may hold in a tenant. */
export const tenantRoles = ['tenant_admin', 'clinician', 'analyst', 'builder', 'auditor'] as const;
/** The one role that belongs to the platform and to no tenant. */
export const platformRole = 'platform_admin';
/** What a Wardstone service is when it acts by itself. No provider token may claim it. */
export const serviceRole = 'service';
/** Every role there is. */
export const roles: readonly string[] = [platformRole, ...tenantRoles, serviceRole];

/**
 * Rights that belong to services themselves and to nobody they work for: a clinician whose search needs a data key has no
 * right to keys, the searching service has. They are judged by the peer, as role `service`. Whatever is not listed is judged by
 * the principal, so that a new method is never open to people by mistake.
 */
export const serviceRights: ReadonlySet<string> = new Set([
  'audit-event.append',
  'data-key.read',
  'embedding-model.list',
  'index.delete',
  'pipeline.report',
  'tenant-work.watch',
  'tenant-work.list',
  'tenant-work.report',
]);

// A request names one role; a principal with several asks once per role. Rules and groupings name a domain pattern, so
// that one rule serves every tenant now, and a rule for one tenant fits in later without another model.
const model = `
[request_definition]
r = sub, dom, obj, act

[policy_definition]
p = sub, dom, obj, act

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.obj == p.obj && r.act == p.act && keyMatch(r.dom, p.dom) && (r.sub == p.sub || g(r.sub, p.sub, r.dom))
`;

// "member" is nobody's role in a token: it is what every role of a tenant has in common.
const rules = `
p, platform_admin, platform, tenant, create
p, platform_admin, platform, tenant, read
p, platform_admin, platform, tenant, list
p, platform_admin, platform, tenant, suspend
p, platform_admin, platform, tenant, resume
p, platform_admin, platform, key-rotation, create
p, platform_admin, platform, key-rotation, read
p, platform_admin, platform, offboarding, request
p, platform_admin, platform, offboarding, approve
p, platform_admin, platform, offboarding, cancel
p, platform_admin, platform, offboarding, read
p, platform_admin, platform, audit-event, read

g, tenant_admin, member, tenant/*
g, clinician, member, tenant/*
g, analyst, member, tenant/*
g, builder, member, tenant/*
g, auditor, member, tenant/*
g, service, member, tenant/*
p, member, tenant/*, tenant, read

g, tenant_admin, clinician, tenant/*
g, tenant_admin, auditor, tenant/*

p, tenant_admin, tenant/*, key-rotation, create
p, tenant_admin, tenant/*, answer-settings, update
p, tenant_admin, tenant/*, offboarding, request
p, tenant_admin, tenant/*, offboarding, approve
p, tenant_admin, tenant/*, offboarding, cancel

p, clinician, tenant/*, document, create
p, clinician, tenant/*, document, read
p, clinician, tenant/*, document, download
p, clinician, tenant/*, document, delete
p, clinician, tenant/*, search, read
p, clinician, tenant/*, answer, create
p, clinician, tenant/*, answer-model, list
p, clinician, tenant/*, answer-settings, read
p, clinician, tenant/*, conversation, create
p, clinician, tenant/*, conversation, read
p, clinician, tenant/*, conversation, delete
p, clinician, tenant/*, embedding, create

p, builder, tenant/*, document, create
p, builder, tenant/*, document, read
p, builder, tenant/*, search, read
p, builder, tenant/*, answer, create
p, builder, tenant/*, answer-model, list
p, builder, tenant/*, answer-settings, read
p, builder, tenant/*, conversation, create
p, builder, tenant/*, conversation, read
p, builder, tenant/*, conversation, delete
p, builder, tenant/*, embedding, create

p, auditor, tenant/*, audit-event, read
p, auditor, tenant/*, answer-settings, read
p, auditor, tenant/*, answer-usage, read
p, auditor, tenant/*, key-rotation, read
p, auditor, tenant/*, offboarding, read

p, service, tenant/*, data-key, read
p, service, tenant/*, pipeline, report
p, service, tenant/*, index, delete
p, service, tenant/*, embedding, create
p, service, tenant/*, audit-event, append
p, service, platform, audit-event, append
p, service, platform, embedding-model, list
p, service, platform, tenant-work, watch
p, service, platform, tenant-work, list
p, service, tenant/*, tenant-work, report
`;

const platformDomain = 'platform';
/** Decisions that are remembered: several times as many as there are roles and permissions. */
const maxDecisions = 4_096;

/** Domain of a permission for a principal. Who has no tenant is judged on the platform, where no rule speaks of PHI. */
function domainOf(tenantId: string | undefined, scope: PolicyScope): string {
  return scope === 'platform' || tenantId === undefined ? platformDomain : `tenant/${tenantId}`;
}

/** Compiles the rules. Thrown when they do not parse: a program without a policy must not start. */
export async function createPolicy(): Promise<Policy> {
  const enforcer = await newEnforcer(newModelFromString(model), new StringAdapter(rules.trim()));
  await enforcer.addNamedDomainMatchingFunc('g', matchesDomain);
  await enforcer.buildRoleLinks();
  // Rules speak of tenants as such and of none by its id, so that what is allowed in one is in all: asking Casbin takes longer than all
  // else that a short call does.
  const decided = new Map<string, boolean>();
  const allowed = (role: string, domain: string, resource: string, action: string): boolean => {
    const key = JSON.stringify([role, domain === platformDomain, resource, action]);
    const known = decided.get(key);
    if (known !== undefined) return known;
    const decision = enforcer.enforceSync(role, domain, resource, action);
    if (decided.size < maxDecisions) decided.set(key, decision);
    return decision;
  };
  return {
    allows: (principal, { resource, action, scope }) => {
      const domain = domainOf(principal.tenantId, scope);
      return principal.roles.some((role) => roles.includes(role) && allowed(role, domain, resource, action));
    },
  };
}

/** Whether a domain falls under a grouping's domain: the same, or any tenant for `tenant/*`. */
function matchesDomain(domain: string, pattern: string): boolean {
  return domain === pattern || (pattern === 'tenant/*' && domain.startsWith('tenant/'));
}
