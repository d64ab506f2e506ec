import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, needs } from '@wardstone/rpc';
import { type Tenant, TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import {
  type KeyRotation,
  KeyRotationCause,
  KeyRotationSchema,
  KeyRotationState,
  type Offboarding,
  OffboardingSchema,
  OffboardingState,
  TenantLifecycleService,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { v7 as uuidv7 } from 'uuid';
import type { InTestState } from './in-test-services.ts';

/** The tenant that a call is about: a principal of a tenant finds its own and no other. */
export function tenantInTest(state: InTestState, tenantId: string, context: HandlerContext): Tenant {
  const { principal } = callContext(context);
  const tenant = state.tenants.get(tenantId);
  needs(tenant, 'TENANT_NOT_FOUND');
  needs(principal.tenantId === undefined || principal.tenantId === tenantId, 'TENANT_NOT_FOUND');
  return tenant;
}

/** Suspension, rotation and offboarding with the refusals of the real service, in memory; nothing goes on by itself. */
export function lifecycleInTest(state: InTestState): (router: ConnectRouter) => void {
  return (router) =>
    void router.service(TenantLifecycleService, {
      suspendTenant: ({ tenantId }, context) =>
        move(tenantInTest(state, tenantId, context), TenantState.ACTIVE, TenantState.SUSPENDED),
      resumeTenant: ({ tenantId }, context) =>
        move(tenantInTest(state, tenantId, context), TenantState.SUSPENDED, TenantState.ACTIVE),
      startKeyRotation: (request, context) =>
        state.instead.startKeyRotation?.(request, context) ?? { rotation: startRotation(state, request, context) },
      getKeyRotation: ({ tenantId, rotationId }, context) => {
        tenantInTest(state, tenantId, context);
        const ofTenant = state.rotations.filter((rotation) => rotation.tenantId === tenantId);
        const rotation =
          rotationId === '' ? ofTenant.at(-1) : ofTenant.find((candidate) => candidate.rotationId === rotationId);
        needs(rotation, 'KEY_ROTATION_NOT_FOUND');
        return { rotation };
      },
      requestOffboarding: (request, context) => ({ offboarding: requestOffboarding(state, request, context) }),
      approveOffboarding: ({ tenantId, offboardingId }, context) => {
        const tenant = tenantInTest(state, tenantId, context);
        const offboarding = offboardingOf(state, tenantId, offboardingId);
        const { subject } = callContext(context).principal;
        needs(offboarding.requestedBy !== subject, 'OFFBOARDING_NEEDS_ANOTHER');
        if (offboarding.approvedBy === subject && offboarding.state !== OffboardingState.CANCELLED)
          return { offboarding };
        needs(offboarding.state === OffboardingState.REQUESTED, 'OFFBOARDING_STATE_CONFLICT');
        const windowDays = tenant.settings?.deletionWindowDays ?? 0;
        offboarding.state = OffboardingState.SCHEDULED;
        offboarding.approvedBy = subject;
        offboarding.approvedAt = now();
        offboarding.deletionAt = timestampFromDate(new Date(Date.now() + windowDays * 86_400_000));
        tenant.state = TenantState.OFFBOARDING;
        return { offboarding };
      },
      cancelOffboarding: ({ tenantId, offboardingId }, context) => {
        const tenant = tenantInTest(state, tenantId, context);
        const offboarding = offboardingOf(state, tenantId, offboardingId);
        needs(offboarding.state !== OffboardingState.COMPLETED, 'OFFBOARDING_STATE_CONFLICT');
        offboarding.state = OffboardingState.CANCELLED;
        offboarding.endedAt = now();
        tenant.state = TenantState.ACTIVE;
        return { offboarding };
      },
      getOffboarding: ({ tenantId }, context) => {
        tenantInTest(state, tenantId, context);
        const offboarding = state.offboardings.findLast((candidate) => candidate.tenantId === tenantId);
        needs(offboarding, 'OFFBOARDING_NOT_FOUND');
        return { offboarding };
      },
    });
}

function move(tenant: Tenant, from: TenantState, to: TenantState): { tenant: Tenant } {
  needs(tenant.state === from || tenant.state === to, 'TENANT_STATE_CONFLICT');
  if (tenant.state !== to) tenant.etag = `${tenant.etag}+`;
  tenant.state = to;
  return { tenant };
}

function startRotation(
  state: InTestState,
  { tenantId, rotationId }: Pick<KeyRotation, 'tenantId' | 'rotationId'>,
  context: HandlerContext,
): KeyRotation {
  const tenant = tenantInTest(state, tenantId, context);
  const ofTenant = state.rotations.filter((rotation) => rotation.tenantId === tenantId);
  const repeated = ofTenant.find((rotation) => rotation.rotationId === rotationId);
  if (repeated !== undefined) return repeated;
  if (tenant.state !== TenantState.ACTIVE) {
    throw new AppError(tenant.state === TenantState.SUSPENDED ? 'TENANT_SUSPENDED' : 'TENANT_OFFBOARDING');
  }
  needs(
    ofTenant.every((rotation) => rotation.state === KeyRotationState.COMPLETED),
    'KEY_ROTATION_IN_PROGRESS',
  );
  tenant.keyVersion += 1;
  const rotation = create(KeyRotationSchema, {
    rotationId: rotationId === '' ? uuidv7() : rotationId,
    tenantId,
    keyVersion: tenant.keyVersion,
    state: KeyRotationState.RESEALING,
    cause: KeyRotationCause.REQUESTED,
    requestedBy: callContext(context).principal.subject,
    startedAt: now(),
    progress: ['ingestion', 'retrieval'].map((holder) => ({ holder })),
  });
  state.rotations.push(rotation);
  return rotation;
}

function requestOffboarding(
  state: InTestState,
  { tenantId, offboardingId }: Pick<Offboarding, 'tenantId' | 'offboardingId'>,
  context: HandlerContext,
): Offboarding {
  tenantInTest(state, tenantId, context);
  const { kind, subject } = callContext(context).principal;
  needs(kind === 'user', 'PERMISSION_DENIED');
  const ofTenant = state.offboardings.filter((offboarding) => offboarding.tenantId === tenantId);
  const repeated = ofTenant.find((offboarding) => offboarding.offboardingId === offboardingId);
  if (repeated !== undefined) return repeated;
  needs(
    ofTenant.every((offboarding) => offboarding.state === OffboardingState.CANCELLED),
    'OFFBOARDING_ALREADY_EXISTS',
  );
  const offboarding = create(OffboardingSchema, {
    offboardingId: offboardingId === '' ? uuidv7() : offboardingId,
    tenantId,
    state: OffboardingState.REQUESTED,
    requestedBy: subject,
    requestedAt: now(),
  });
  state.offboardings.push(offboarding);
  return offboarding;
}

function offboardingOf(state: InTestState, tenantId: string, offboardingId: string): Offboarding {
  const found = state.offboardings.find(
    (offboarding) => offboarding.tenantId === tenantId && offboarding.offboardingId === offboardingId,
  );
  needs(found, 'OFFBOARDING_NOT_FOUND');
  return found;
}

function now() {
  return timestampFromDate(new Date());
}
