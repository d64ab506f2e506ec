/** The certificate that a tenant is gone: what, when, which keys, and where the audit log stood. */
import { createHash } from 'node:crypto';
import { v5 as uuidv5 } from 'uuid';
import type { Offboarding } from '../domain/offboarding.ts';
import type { WorkProgress } from '../domain/work.ts';
import type { AuditLog, KmsKeyState } from '../ports.ts';

/** `typ` of the certificate's JWS: no other statement of this service passes for one. */
export const certificateType = 'wardstone-offboarding+jwt';

/** A KMS key of the tenant, as it was when everything was removed. */
export interface CertifiedKey {
  readonly keyId: string;
  /** Versions of the data key that are wrapped under it: the first, and how many there are. */
  readonly firstVersion: number;
  readonly versions: number;
  readonly state: KmsKeyState;
}

export interface CertificateDeps {
  readonly auditLog: AuditLog;
  /** Signs as this service: a compact JWS (RFC 7515), EdDSA, of a `typ`. */
  readonly sign: (typ: string, says: Readonly<Record<string, unknown>>) => Promise<string>;
}

/** Values of an audit attribute have at most so many characters. */
const partChars = 128;
/** An event has at most 16 attributes; one is the digest. */
const maxParts = 15;

/** Namespace of the ids of events, so that a repeated append is recorded once. */
const eventNamespace = '0e9f8a52-9a7e-5c2b-8a0b-6f3b1d0c5c11';

/**
 * Makes the certificate. The head of the tenant's audit chain in it is that of the event which says that all is removed:
 * its hash commits to every event before it.
 */
export async function certify(
  { auditLog, sign }: CertificateDeps,
  offboarding: Offboarding,
  found: { readonly keys: readonly CertifiedKey[]; readonly progress: readonly WorkProgress[]; readonly at: Date },
): Promise<string> {
  const { tenantId, offboardingId, requestedBy, requestedAt, approvedBy, approvedAt, deletionAt } = offboarding;
  const removed = Object.fromEntries(found.progress.map(({ holder, removed: counts }) => [holder, counts]));
  const head = await auditLog.append(tenantId, {
    eventId: uuidv5(`${offboardingId}/removed`, eventNamespace),
    occurredAt: found.at,
    action: 'offboarding.removed',
    resourceType: 'offboarding',
    resourceIds: [offboardingId],
    requestId: offboardingId,
    attributes: attributesOf(removed),
  });
  return sign(certificateType, {
    tenant: tenantId,
    offboarding: offboardingId,
    requestedBy,
    requestedAt: requestedAt.toISOString(),
    approvedBy,
    approvedAt: approvedAt?.toISOString(),
    keyDeletionAt: deletionAt?.toISOString(),
    completedAt: found.at.toISOString(),
    keys: found.keys,
    removed,
    auditHead: { sequence: String(head.sequence), hash: Buffer.from(head.hash).toString('hex') },
  });
}

/**
 * Appends the certificate to the tenant's audit chain: its SHA-256, and its text in parts. One that is too long for an event
 * (subjects of hundreds of characters) is there by its digest alone.
 */
export async function publishCertificate(
  { auditLog }: Pick<CertificateDeps, 'auditLog'>,
  { tenantId, offboardingId }: Offboarding,
  { certificate, at }: { readonly certificate: string; readonly at: Date },
): Promise<void> {
  const parts = certificate.match(new RegExp(`.{1,${String(partChars)}}`, 'g')) ?? [];
  const kept = parts.length <= maxParts ? parts : [];
  const attributes = Object.fromEntries(
    kept.map((part, index) => [`certificate_${String(index + 1).padStart(2, '0')}`, part]),
  );
  const digest = createHash('sha256').update(certificate).digest('hex');
  await auditLog.append(tenantId, {
    eventId: uuidv5(`${offboardingId}/certificate`, eventNamespace),
    occurredAt: at,
    action: 'offboarding.complete',
    resourceType: 'offboarding',
    resourceIds: [offboardingId],
    requestId: offboardingId,
    attributes: { ...attributes, certificate_sha256: digest },
  });
}

/** The text of a certificate from the attributes of its event. */
export function certificateOf(attributes: Readonly<Record<string, string>>): string {
  const names = Object.keys(attributes).filter((name) => /^certificate_\d\d$/.test(name));
  return names
    .sort()
    .map((name) => attributes[name])
    .join('');
}

function attributesOf(removed: Readonly<Record<string, Readonly<Record<string, number>>>>): Record<string, string> {
  const flat = Object.entries(removed).flatMap(([holder, counts]) =>
    Object.entries(counts).map(([kind, count]) => [`${holder}_${kind}`, String(count)] as const),
  );
  return Object.fromEntries(flat);
}
