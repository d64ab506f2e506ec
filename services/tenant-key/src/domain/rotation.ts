/** Why a rotation was begun. */
export type RotationCause = 'requested' | 'use-limit';

/** A rotation of a tenant's data key. */
export interface KeyRotation {
  readonly rotationId: string;
  readonly tenantId: string;
  /** Version that new writes use since then. */
  readonly keyVersion: number;
  readonly cause: RotationCause;
  readonly requestedBy: string;
  readonly startedAt: Date;
  /** When older versions were retired. */
  readonly completedAt: Date | undefined;
}

/** How long the next rotation that somebody asks for has still to wait, in ms; 0 when it may begin. */
export function rotationWaitMs(lastRequestedAt: Date | undefined, now: Date, minIntervalMs: number): number {
  if (lastRequestedAt === undefined) return 0;
  return Math.max(0, lastRequestedAt.getTime() + minIntervalMs - now.getTime());
}

/** Services that hold values under a tenant's keys. */
export const resealHolders = ['ingestion', 'retrieval', 'llm'] as const;

/**
 * From when on nothing is written under the older versions: a service that began an operation just before it heard of the new
 * one may commit under the old one for as long as it may keep the key, and `marginMs` beyond that.
 */
export function settledAt(startedAt: Date, keyMaxAgeMs: number, marginMs: number): Date {
  return new Date(startedAt.getTime() + keyMaxAgeMs + marginMs);
}
