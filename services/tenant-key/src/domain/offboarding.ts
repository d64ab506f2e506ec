import type { TenantState } from './tenant.ts';

/** How far an offboarding is: see the proto. */
export type OffboardingState =
  'requested' | 'approved' | 'scheduled' | 'purging' | 'completed' | 'cancelling' | 'cancelled';

/** An offboarding. */
export interface Offboarding {
  readonly offboardingId: string;
  readonly tenantId: string;
  readonly state: OffboardingState;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly approvedBy: string | undefined;
  readonly approvedAt: Date | undefined;
  /** What the tenant was before it was approved, and is again when it is cancelled. */
  readonly stateBefore: TenantState | undefined;
  readonly deletionAt: Date | undefined;
  readonly endedAt: Date | undefined;
  /** When everything was found removed: from then on the certificate says the same, however often it is made. */
  readonly removedAt: Date | undefined;
  /** Compact JWS over what was removed; set when everything is. */
  readonly certificate: string | undefined;
}

/** Services that remove a tenant's rows and objects. */
export const purgeHolders = ['ingestion', 'retrieval', 'llm'] as const;

/** From which states an offboarding can be taken back: until the key is gone. */
const cancellableStates: readonly OffboardingState[] = ['requested', 'approved', 'scheduled'];

/** Whether it may still be taken back. */
export function isCancellable({ state, deletionAt }: Pick<Offboarding, 'state' | 'deletionAt'>, now: Date): boolean {
  return cancellableStates.includes(state) && (deletionAt === undefined || now < deletionAt);
}
