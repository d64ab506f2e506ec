/** Between the wire and the domain, once in each direction. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { KeyPurpose } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';
import {
  KeyPurpose as WirePurpose,
  TenantSchema,
  TenantState,
  type Tenant as WireTenant,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { Tenant } from './domain/tenant.ts';

const purposes: ReadonlyMap<WirePurpose, KeyPurpose> = new Map<WirePurpose, KeyPurpose>([
  [WirePurpose.OBJECTS, 'objects'],
  [WirePurpose.CONTENT, 'content'],
  [WirePurpose.TERMS, 'terms'],
  [WirePurpose.VECTORS, 'vectors'],
  [WirePurpose.HISTORY, 'history'],
]);

/** Thrown: INVALID_ARGUMENT for a purpose that this version does not know. */
export function toPurpose(purpose: WirePurpose): KeyPurpose {
  const known = purposes.get(purpose);
  if (known === undefined) {
    throw new AppError('INVALID_ARGUMENT', {
      violations: [{ field: 'purpose', description: 'must be a known purpose' }],
    });
  }
  return known;
}

const states: Readonly<Record<Tenant['state'], TenantState>> = {
  active: TenantState.ACTIVE,
  suspended: TenantState.SUSPENDED,
  offboarding: TenantState.OFFBOARDING,
  offboarded: TenantState.OFFBOARDED,
};

export function toWireState(state: Tenant['state']): TenantState {
  return states[state];
}

export function toWireTenant(tenant: Tenant): WireTenant {
  const { tenantId, displayName, state, settings, keyVersion, createdAt, revision } = tenant;
  return create(TenantSchema, {
    tenantId,
    displayName,
    state: toWireState(state),
    settings,
    keyVersion,
    createdAt: timestampFromDate(createdAt),
    etag: `t${String(revision)}`,
  });
}
