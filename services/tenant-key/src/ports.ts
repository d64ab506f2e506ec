/** What the handlers need of the outside: tenants at rest, and a key management service. */
import type { Tenant, TenantSettings } from './domain/tenant.ts';

/** Bound to every wrapped key as additional authenticated data; the same pairs are needed to unwrap it. */
export type EncryptionContext = Readonly<Record<string, string>>;

/**
 * A key management service with one key per tenant that never leaves it. Every implementation passes
 * `test/kms.contract.ts`. Thrown by all: KEY_UNAVAILABLE when the service or the key cannot be used.
 */
export interface KeyManagementService {
  /** Makes the tenant's key, or finds it when it was made before: safe to repeat. */
  createKey(tenantId: string): Promise<{ readonly keyId: string }>;
  /** A new 32-byte data key, in clear (wipe it after use) and wrapped. */
  generateDataKey(request: {
    readonly keyId: string;
    readonly encryptionContext: EncryptionContext;
  }): Promise<{ readonly plaintext: Uint8Array; readonly wrapped: Uint8Array }>;
  /** Unwraps. Thrown: SEALED_VALUE_INVALID when key, context or a single bit differs. */
  decrypt(request: {
    readonly keyId: string;
    readonly wrapped: Uint8Array;
    readonly encryptionContext: EncryptionContext;
  }): Promise<Uint8Array>;
  /** Resolves when keys can be used. Thrown: KEY_UNAVAILABLE. */
  check(): Promise<void>;
}

/** A data key at rest. */
export interface WrappedDataKey {
  readonly version: number;
  readonly kmsKeyId: string;
  readonly wrapped: Uint8Array;
}

/** A tenant to write, with its first data key. */
export interface NewTenant {
  readonly tenantId: string;
  readonly displayName: string;
  readonly settings: TenantSettings;
  readonly dataKey: WrappedDataKey;
}

/** Where a page begins: after this tenant. */
export interface TenantPosition {
  readonly createdAtMs: number;
  readonly tenantId: string;
}

/** Tenants and their wrapped keys at rest. Thrown by all: DATABASE_UNAVAILABLE. */
export interface TenantStore {
  find(tenantId: string): Promise<Tenant | undefined>;
  /**
   * Writes the tenant and its data key in one transaction, in which `beforeCommit` runs last: what it throws undoes both.
   * Answers undefined when the id is taken.
   */
  insert(tenant: NewTenant, beforeCommit: () => Promise<void>): Promise<Tenant | undefined>;
  /** At most `limit` tenants, newest first, from after a position on. Only for principals of the platform. */
  list(limit: number, after?: TenantPosition): Promise<readonly Tenant[]>;
  /** A version of the tenant's data key, and whether it is given out no more. */
  findDataKey(tenantId: string, version: number): Promise<(WrappedDataKey & { readonly retired: boolean }) | undefined>;
}

/** An event for the tenant's audit chain under an id of the caller's choice, so that a repeated append is recorded once. */
export interface LoggedEvent {
  /** UUID. */
  readonly eventId: string;
  readonly occurredAt: Date;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceIds: readonly string[];
  readonly requestId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The audit log where an event's place in the chain matters. */
export interface AuditLog {
  /** Answers when the event is durable. Thrown: AUDIT_UNAVAILABLE, INTERNAL. */
  append(tenantId: string, event: LoggedEvent): Promise<{ readonly sequence: bigint; readonly hash: Uint8Array }>;
}

/** Announcements that a tenant's state or key version changed; some may be lost, `onGap` says when. */
export interface TenantChanges {
  subscribe(listener: { onChange(tenantId: string): void; onGap(): void }): () => void;
}
