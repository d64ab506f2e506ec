/** Tenants that leave: over a software KMS, with a clock that a test moves and faults that it chooses. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database, PassLoop } from '@wardstone/db';
import { AppError, type Principal } from '@wardstone/rpc';
import { KeyPurpose } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { v7 as uuidv7 } from 'uuid';
import { openSoftwareKms } from '../src/adapters/software-kms.ts';
import { createLifecycleDriver } from '../src/lifecycle/driver.ts';
import type { KeyManagementService } from '../src/ports.ts';
import {
  openHarness,
  openTenants,
  platformAdmin,
  recordingAuditLog,
  recordingAuditor,
  systemPrincipal,
  userOf,
  type Calls,
  type Harness,
} from './support.ts';

export const dayMs = 24 * 60 * 60_000;

/** What happens before KMS is asked, or a transaction commits. */
export interface Faults {
  disableKey?: () => void;
  cancelDeletion?: () => void;
  enableKey?: () => void;
  commit?: () => void;
}

/** A fault of KMS. */
export function away(): never {
  throw new AppError('KEY_UNAVAILABLE');
}

export interface LeavingTenants {
  readonly harness: Harness;
  readonly driver: PassLoop;
  readonly auditor: ReturnType<typeof recordingAuditor>;
  readonly auditLog: ReturnType<typeof recordingAuditLog>;
  /** The KMS itself, as an operator has it: past the faults. */
  readonly kms: KeyManagementService;
  readonly query: Awaited<ReturnType<typeof openTenants>>['test']['query'];
  faults: Faults;
  clockMs: number;
  newTenant(): Promise<string>;
  /** A tenant of which the offboarding is approved, with a window of seven days. */
  approved(): Promise<{ tenantId: string; offboardingId: string }>;
  /** Two administrators of a tenant. */
  first(tenantId: string): Calls;
  second(tenantId: string): Calls;
  service(name: string, tenantId: string): Calls;
  holder(name: string): Calls;
  /** Asks for a key of the tenant. */
  keys(tenantId: string): ReturnType<Calls['getDataKeys']>;
  /** What KMS says of the tenant's key. */
  keyState(tenantId: string): Promise<string>;
  /** Forgets what was recorded, and heals everything. */
  reset(): void;
  close(): Promise<void>;
}

export const person = (tenantId: string, subject: string): Principal => ({
  ...userOf(tenantId, 'tenant_admin'),
  subject,
});

export async function openLeavingTenants(): Promise<LeavingTenants> {
  const dir = await mkdtemp(join(tmpdir(), 'wardstone-kms-'));
  const auditor = recordingAuditor();
  const auditLog = recordingAuditLog();
  const kms = await openSoftwareKms({ dir, now: () => world.clockMs });
  const opened = await openTenants();
  const faulty = withFaults({ kms, database: opened.database }, () => world.faults);
  const harness = await openHarness({ ...opened, ...faulty, auditor, auditLog, now: () => new Date(world.clockMs) });
  const service = (name: string, tenantId: string): Calls => harness.as(name, systemPrincipal(name, tenantId));
  const world: LeavingTenants = {
    harness,
    driver: createLifecycleDriver(harness.deps, { intervalMs: 60_000 }),
    auditor,
    auditLog,
    kms,
    query: (...args) => opened.test.query(...args),
    faults: {},
    clockMs: Date.now(),
    newTenant: async () => {
      const settings = { deletionWindowDays: 7 };
      const { tenant } = await harness.as('gateway', platformAdmin).createTenant({ displayName: 'Leaving', settings });
      return tenant?.tenantId ?? '';
    },
    approved: async () => {
      const tenantId = await world.newTenant();
      const { offboarding } = await world.first(tenantId).requestOffboarding({});
      const offboardingId = offboarding?.offboardingId ?? '';
      await world.second(tenantId).approveOffboarding({ offboardingId });
      return { tenantId, offboardingId };
    },
    first: (tenantId) => harness.as('gateway', person(tenantId, 'admin-1')),
    second: (tenantId) => harness.as('gateway', person(tenantId, 'admin-2')),
    service,
    holder: (name) => harness.as(name, { ...systemPrincipal(name, uuidv7()), tenantId: undefined }),
    keys: (tenantId) => service('retrieval', tenantId).getDataKeys({ purpose: KeyPurpose.CONTENT }),
    keyState: async (tenantId) => {
      const { keyId } = await kms.createKey(tenantId).catch(() => ({ keyId: `software:${tenantId}` }));
      return (await kms.describeKey(keyId)).state;
    },
    reset: () => {
      auditor.events.length = 0;
      auditLog.events.length = 0;
      auditor.away = false;
      world.faults = {};
    },
    close: async () => {
      await harness.close();
      await opened.database.close();
      await opened.test.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return world;
}

function withFaults(
  { kms, database }: { readonly kms: KeyManagementService; readonly database: Database },
  faults: () => Faults,
): { readonly kms: KeyManagementService; readonly database: Database } {
  return {
    kms: {
      ...kms,
      disableKey: async (keyId) => {
        faults().disableKey?.();
        await kms.disableKey(keyId);
      },
      cancelDeletion: async (keyId) => {
        faults().cancelDeletion?.();
        await kms.cancelDeletion(keyId);
      },
      enableKey: async (keyId) => {
        faults().enableKey?.();
        await kms.enableKey(keyId);
      },
    },
    database: {
      ...database,
      inTenant: (tenantId, work, options) =>
        database.inTenant(
          tenantId,
          async (tx) => {
            const result = await work(tx);
            faults().commit?.();
            return result;
          },
          options,
        ),
    },
  };
}
