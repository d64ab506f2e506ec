/** Rotations, offboardings and work on the wire, once in each direction. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  KeyRotationCause,
  KeyRotationSchema,
  KeyRotationState,
  OffboardingSchema,
  OffboardingState as WireOffboardingState,
  type KeyRotation as WireRotation,
  type Offboarding as WireOffboarding,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import {
  TenantWorkKind,
  TenantWorkSchema,
  type TenantWork as WireWork,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import type { Offboarding, OffboardingState } from './domain/offboarding.ts';
import type { KeyRotation } from './domain/rotation.ts';
import type { OpenWork, WorkKind, WorkProgress } from './domain/work.ts';

export function toWireRotation(rotation: KeyRotation, progress: readonly WorkProgress[]): WireRotation {
  const { rotationId, tenantId, keyVersion, cause, requestedBy, startedAt, completedAt } = rotation;
  return create(KeyRotationSchema, {
    rotationId,
    tenantId,
    keyVersion,
    state: completedAt === undefined ? KeyRotationState.RESEALING : KeyRotationState.COMPLETED,
    cause: cause === 'use-limit' ? KeyRotationCause.USE_LIMIT : KeyRotationCause.REQUESTED,
    requestedBy,
    startedAt: timestampFromDate(startedAt),
    ...optionalTime('completedAt', completedAt),
    progress: progress.map(toWireProgress),
  });
}

const offboardingStates: Readonly<Record<OffboardingState, WireOffboardingState>> = {
  requested: WireOffboardingState.REQUESTED,
  approved: WireOffboardingState.APPROVED,
  scheduled: WireOffboardingState.SCHEDULED,
  purging: WireOffboardingState.PURGING,
  completed: WireOffboardingState.COMPLETED,
  cancelling: WireOffboardingState.CANCELLING,
  cancelled: WireOffboardingState.CANCELLED,
};

export function toWireOffboarding(offboarding: Offboarding, progress: readonly WorkProgress[]): WireOffboarding {
  const { offboardingId, tenantId, state, requestedBy, requestedAt, approvedBy = '' } = offboarding;
  return create(OffboardingSchema, {
    offboardingId,
    tenantId,
    state: offboardingStates[state],
    requestedBy,
    requestedAt: timestampFromDate(requestedAt),
    approvedBy,
    ...optionalTime('approvedAt', offboarding.approvedAt),
    ...optionalTime('deletionAt', offboarding.deletionAt),
    ...optionalTime('endedAt', offboarding.endedAt),
    progress: progress.map(toWireProgress),
    // A certificate that is made but not in the audit log yet is nobody's.
    certificate: state === 'completed' ? (offboarding.certificate ?? '') : '',
  });
}

/** Undefined when the caller does not say. */
export function toWorkKind(kind: TenantWorkKind): WorkKind | undefined {
  if (kind === TenantWorkKind.PURGE) return 'purge';
  return kind === TenantWorkKind.RESEAL ? 'reseal' : undefined;
}

export function toWireWork({ workId, tenantId, kind, keyVersion, settledAt }: OpenWork): WireWork {
  return create(TenantWorkSchema, {
    workId,
    tenantId,
    kind: kind === 'purge' ? TenantWorkKind.PURGE : TenantWorkKind.RESEAL,
    keyVersion,
    ...optionalTime('settledAt', settledAt),
  });
}

function toWireProgress({ holder, done, documentsDone, documentsLeft }: WorkProgress) {
  return { holder, done, documentsDone: BigInt(documentsDone), documentsLeft: BigInt(documentsLeft) };
}

function optionalTime<Name extends string>(name: Name, date: Date | undefined) {
  return date === undefined
    ? {}
    : ({ [name]: timestampFromDate(date) } as Record<Name, ReturnType<typeof timestampFromDate>>);
}
