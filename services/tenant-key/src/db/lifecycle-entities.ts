import { EntitySchema } from 'typeorm';
import type { OffboardingState } from '../domain/offboarding.ts';
import type { RotationCause } from '../domain/rotation.ts';
import type { TenantState } from '../domain/tenant.ts';
import type { WorkKind } from '../domain/work.ts';

/** bigint arrives as text; counts stay far below 2^53. */
const numberFromBigint = { from: (value: string) => Number(value), to: (value: number) => value };

/** Row of table `key_rotation`. */
export interface KeyRotationRow {
  tenantId: string;
  rotationId: string;
  keyVersion: number;
  cause: RotationCause;
  requestedBy: string;
  startedAt: Date;
  completedAt: Date | null;
}

export const keyRotationEntity = new EntitySchema<KeyRotationRow>({
  name: 'key_rotation',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    rotationId: { name: 'rotation_id', type: 'uuid', primary: true },
    keyVersion: { name: 'key_version', type: 'int' },
    cause: { type: 'text' },
    requestedBy: { name: 'requested_by', type: 'text' },
    startedAt: { name: 'started_at', type: 'timestamptz', precision: 3 },
    completedAt: { name: 'completed_at', type: 'timestamptz', precision: 3, nullable: true },
  },
});

/** Row of table `offboarding`. */
export interface OffboardingRow {
  tenantId: string;
  offboardingId: string;
  state: OffboardingState;
  requestedBy: string;
  requestedAt: Date;
  approvedBy: string | null;
  approvedAt: Date | null;
  stateBefore: TenantState | null;
  deletionAt: Date | null;
  keyCheckedAt: Date | null;
  endedAt: Date | null;
  removedAt: Date | null;
  certificate: string | null;
}

export const offboardingEntity = new EntitySchema<OffboardingRow>({
  name: 'offboarding',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    offboardingId: { name: 'offboarding_id', type: 'uuid', primary: true },
    state: { type: 'text' },
    requestedBy: { name: 'requested_by', type: 'text' },
    requestedAt: { name: 'requested_at', type: 'timestamptz', precision: 3 },
    approvedBy: { name: 'approved_by', type: 'text', nullable: true },
    approvedAt: { name: 'approved_at', type: 'timestamptz', precision: 3, nullable: true },
    stateBefore: { name: 'state_before', type: 'text', nullable: true },
    deletionAt: { name: 'deletion_at', type: 'timestamptz', precision: 3, nullable: true },
    keyCheckedAt: { name: 'key_checked_at', type: 'timestamptz', precision: 3, nullable: true },
    endedAt: { name: 'ended_at', type: 'timestamptz', precision: 3, nullable: true },
    removedAt: { name: 'removed_at', type: 'timestamptz', precision: 3, nullable: true },
    certificate: { type: 'text', nullable: true },
  },
});

/** Row of table `tenant_work`. */
export interface TenantWorkRow {
  tenantId: string;
  workId: string;
  holder: string;
  kind: WorkKind;
  keyVersion: number;
  settledAt: Date | null;
  done: boolean;
  documentsDone: number;
  documentsLeft: number;
  removed: Record<string, number>;
  createdAt: Date;
  begunAt: Date | null;
}

export const tenantWorkEntity = new EntitySchema<TenantWorkRow>({
  name: 'tenant_work',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    workId: { name: 'work_id', type: 'uuid', primary: true },
    kind: { type: 'text', primary: true },
    holder: { type: 'text', primary: true },
    keyVersion: { name: 'key_version', type: 'int' },
    settledAt: { name: 'settled_at', type: 'timestamptz', precision: 3, nullable: true },
    done: { type: 'boolean' },
    documentsDone: { name: 'documents_done', type: 'bigint', transformer: numberFromBigint },
    documentsLeft: { name: 'documents_left', type: 'bigint', transformer: numberFromBigint },
    removed: { type: 'jsonb' },
    createdAt: { name: 'created_at', type: 'timestamptz', precision: 3 },
    begunAt: { name: 'begun_at', type: 'timestamptz', precision: 3, nullable: true },
  },
});
