/** What the handlers need of the outside: tenants at rest, and a key management service. */
import type { Tenant, TenantSettings } from './domain/tenant.ts';

/** Bound to every wrapped key as additional authenticated data; the same pairs are needed to unwrap it. */
export type EncryptionContext = Readonly<Record<string, string>>;

/**
 * Whether a key can be used. `disabled` and `pending-deletion` are reversible; `deleted` is for good, and also what is said
 * of a key that never was.
 */
export type KmsKeyState = 'enabled' | 'disabled' | 'pending-deletion' | 'deleted';

/**
 * A key management service with one key per tenant that never leaves it. Every implementation passes
 * `test/kms.contract.ts`. Thrown by all: KEY_UNAVAILABLE when the service cannot be reached or there is no such key;
 * KMS_THROTTLED; KMS_ACCESS_DENIED, CREDENTIALS_EXPIRED and CLOCK_SKEW, which are the operator's to mend.
 */
export interface KeyManagementService {
  /** Makes the tenant's key, or finds it when it was made before, whatever its state: safe to repeat. */
  createKey(tenantId: string): Promise<{ readonly keyId: string }>;
  /** A new 32-byte data key, in clear (wipe it after use) and wrapped. Thrown: KEY_DISABLED, KEY_PENDING_DELETION. */
  generateDataKey(request: {
    readonly keyId: string;
    readonly encryptionContext: EncryptionContext;
  }): Promise<{ readonly plaintext: Uint8Array; readonly wrapped: Uint8Array }>;
  /**
   * Unwraps. Thrown: SEALED_VALUE_INVALID when key, context or a single bit differs; KEY_DISABLED,
   * KEY_PENDING_DELETION.
   */
  decrypt(request: WrappedKeyRequest): Promise<Uint8Array>;
  /**
   * Wraps again under the key's present material, without the clear key leaving the service. Key and context stay; what
   * was wrapped before opens as well. Thrown: as by `decrypt`.
   */
  reEncrypt(request: WrappedKeyRequest): Promise<Uint8Array>;
  /** What can be done with a key. `deletionAt` stands beside `pending-deletion` alone. Never KEY_UNAVAILABLE for a key that is gone. */
  describeKey(keyId: string): Promise<{ readonly state: KmsKeyState; readonly deletionAt?: Date }>;
  /** From now on nothing is wrapped or unwrapped. Nothing happens to a key that is disabled, or scheduled for deletion. */
  disableKey(keyId: string): Promise<void>;
  /** Ends `disableKey`; nothing happens to a key that is enabled. Thrown: KEY_PENDING_DELETION. */
  enableKey(keyId: string): Promise<void>;
  /**
   * The key can no longer be used, and after the window is gone for good. `windowDays`: see `deletionWindow` of `domain/tenant.ts`. Answers
   * the date that stands: that of the first call, whatever the window of another.
   */
  scheduleDeletion(request: {
    readonly keyId: string;
    readonly windowDays: number;
  }): Promise<{ readonly deletionAt: Date }>;
  /** Takes the schedule back and leaves the key disabled; nothing happens to a key without one. */
  cancelDeletion(keyId: string): Promise<void>;
  /** Resolves when keys can be used. */
  check(): Promise<void>;
}

/** A wrapped key, the key that wrapped it, and the context that it was wrapped with. */
export interface WrappedKeyRequest {
  readonly keyId: string;
  readonly wrapped: Uint8Array;
  readonly encryptionContext: EncryptionContext;
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
