import { AppError } from '@wardstone/rpc';

/** How a tenant's documents are treated; every value is set. */
export interface TenantSettings {
  /** Longest chunk, in UTF-16 code units. */
  readonly chunkSizeChars: number;
  /** Characters that neighbouring chunks share. */
  readonly chunkOverlapChars: number;
  /** Days from the approval of an offboarding to the deletion of the KMS key, 7 to 30. */
  readonly deletionWindowDays: number;
}

/** Whether a tenant may be used. */
export type TenantState = 'active' | 'suspended' | 'offboarding' | 'offboarded';

/** A tenant. */
export interface Tenant {
  readonly tenantId: string;
  readonly displayName: string;
  readonly state: TenantState;
  readonly settings: TenantSettings;
  /** Version of the data key that new writes use. */
  readonly keyVersion: number;
  readonly createdAt: Date;
  /** Grows with every change of the tenant. */
  readonly revision: number;
}

/** Settings as asked for. */
export type WantedSettings = { readonly [name in keyof TenantSettings]?: number | undefined };

const defaults: TenantSettings = { chunkSizeChars: 1000, chunkOverlapChars: 150, deletionWindowDays: 30 };
const minChunkSizeChars = 100;
/** Shortest and longest time from scheduling a key's deletion to its end: what AWS KMS allows (ScheduleKeyDeletion). */
export const deletionWindow = { minDays: 7, maxDays: 30 } as const;

/**
 * Fills in what was left out. A size of 0 means the default; an overlap that was left out is the default, or half of a size
 * that is too small for it. Thrown: INVALID_ARGUMENT for a size below 100, an overlap above half of the size, or a deletion
 * window that is not 7 to 30 days.
 */
export function effectiveSettings(wanted: WantedSettings = {}): TenantSettings {
  const chunkSizeChars = wanted.chunkSizeChars || defaults.chunkSizeChars;
  const most = Math.floor(chunkSizeChars / 2);
  const chunkOverlapChars = wanted.chunkOverlapChars ?? Math.min(defaults.chunkOverlapChars, most);
  if (chunkSizeChars < minChunkSizeChars) {
    throw invalid('settings.chunk_size_chars', `must be 0 or at least ${String(minChunkSizeChars)}`);
  }
  if (chunkOverlapChars < 0 || chunkOverlapChars > most) {
    throw invalid('settings.chunk_overlap_chars', 'must be at most half of chunk_size_chars');
  }
  const deletionWindowDays = wanted.deletionWindowDays || defaults.deletionWindowDays;
  if (!isDeletionWindow(deletionWindowDays)) {
    const { minDays, maxDays } = deletionWindow;
    throw invalid('settings.deletion_window_days', `must be 0 or ${String(minDays)} to ${String(maxDays)}`);
  }
  return { chunkSizeChars, chunkOverlapChars, deletionWindowDays };
}

/** Whether a key's deletion may be scheduled so many days ahead: whole days within `deletionWindow`. */
export function isDeletionWindow(days: number): boolean {
  return Number.isInteger(days) && days >= deletionWindow.minDays && days <= deletionWindow.maxDays;
}

/** Lets nobody use a tenant that is not active. Thrown: TENANT_SUSPENDED, TENANT_OFFBOARDING. */
export function requireActive({ state }: Pick<Tenant, 'state'>): void {
  if (state === 'active') return;
  throw new AppError(state === 'suspended' ? 'TENANT_SUSPENDED' : 'TENANT_OFFBOARDING');
}

const chosenId = /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A tenant id that a caller chose, in lower case. Thrown: INVALID_ARGUMENT when it is no UUIDv7 or UUIDv8 (RFC 9562). */
export function chosenTenantId(id: string): string {
  const lower = id.toLowerCase();
  if (!chosenId.test(lower)) throw invalid('tenant_id', 'must be a UUID of version 7 or 8');
  return lower;
}

/** A display name without blanks around it. Thrown: INVALID_ARGUMENT when nothing is left, or it has control characters. */
export function checkedDisplayName(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '' || /\p{Cc}/u.test(trimmed))
    throw invalid('display_name', 'must be a name without control characters');
  return trimmed;
}

/** Whether a repeated creation asks for the tenant that is there. */
export function isSameTenant(tenant: Tenant, displayName: string, settings: TenantSettings): boolean {
  const { chunkSizeChars, chunkOverlapChars, deletionWindowDays } = tenant.settings;
  const sameChunks = chunkSizeChars === settings.chunkSizeChars && chunkOverlapChars === settings.chunkOverlapChars;
  const sameSettings = sameChunks && deletionWindowDays === settings.deletionWindowDays;
  return tenant.displayName === displayName && sameSettings;
}

function invalid(field: string, description: string): AppError {
  return new AppError('INVALID_ARGUMENT', { violations: [{ field, description }] });
}
