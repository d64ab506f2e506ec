export type { Principal } from '@wardstone/rpc';
export { systemPrincipal, platformPrincipal } from './principal.ts';
export { createPolicy, roles, type Permission, type Policy, type PolicyScope } from './policy.ts';
export { createServiceIdentity, type ServiceIdentity } from './service-identity.ts';
export { createJobSignatures, type JobSignatures } from './job-signatures.ts';
export {
  createAccessTokenVerifier,
  type AccessTokenVerifier,
  type AccessTokenVerifierOptions,
  type Verifier,
} from './access-token.ts';
export {
  createCallerCheck,
  type CallerCheckOptions,
  type Denial,
  type OnDenied,
  type TenantCheck,
} from './caller-check.ts';
export {
  createProgramKit,
  createServiceKit,
  type Peers,
  type ProgramConfig,
  type ProgramKit,
  type ServiceKit,
} from './service-kit.ts';
export {
  createAuditor,
  createDenialRecorder,
  type AuditAction,
  type AuditCall,
  type Auditor,
  type AuditOutcome,
  type NewAuditEvent,
} from './audit-client.ts';
export { type Intended, recordThen } from './record-change.ts';
