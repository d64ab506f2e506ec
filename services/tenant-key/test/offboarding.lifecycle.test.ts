import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError, type Principal } from '@wardstone/rpc';
import { KeyPurpose, TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { OffboardingState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { TenantWorkKind } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { expect } from 'chai';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { openSoftwareKms } from '../src/adapters/software-kms.ts';
import { certificateOf, certificateType } from '../src/lifecycle/certificate.ts';
import { createLifecycleDriver, type LifecycleDriver } from '../src/lifecycle/driver.ts';
import type { KeyManagementService } from '../src/ports.ts';
import {
  openHarness,
  openTenants,
  platformAdmin,
  reasonOf,
  recordingAuditLog,
  recordingAuditor,
  systemPrincipal,
  userOf,
  type Harness,
} from './support.ts';

const dayMs = 24 * 60 * 60_000;

describe('offboarding', () => {
  const auditor = recordingAuditor();
  const auditLog = recordingAuditLog();
  const faults = { kms: false };
  let opened: Awaited<ReturnType<typeof openTenants>>;
  let kms: KeyManagementService;
  let harness: Harness;
  let driver: LifecycleDriver;
  let dir: string;
  let clockMs = Date.now();

  before(async function () {
    this.timeout(60_000);
    dir = await mkdtemp(join(tmpdir(), 'wardstone-kms-'));
    kms = await openSoftwareKms({ dir, now: () => clockMs });
    opened = await openTenants();
    const sometimesAway: KeyManagementService = {
      ...kms,
      disableKey: (keyId) => (faults.kms ? Promise.reject(new AppError('KEY_UNAVAILABLE')) : kms.disableKey(keyId)),
    };
    harness = await openHarness({ ...opened, kms: sometimesAway, auditor, auditLog, now: () => new Date(clockMs) });
    driver = createLifecycleDriver(harness.deps, { intervalMs: 60_000 });
  });
  after(async () => {
    await harness.close();
    await opened.database.close();
    await opened.test.drop();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    auditor.events.length = 0;
    auditLog.events.length = 0;
    Object.assign(auditor, { away: false });
    faults.kms = false;
  });

  const newTenant = async (): Promise<string> => {
    const settings = { deletionWindowDays: 7 };
    const { tenant } = await harness.as('gateway', platformAdmin).createTenant({ displayName: 'Leaving', settings });
    return tenant?.tenantId ?? '';
  };
  const person = (tenantId: string, subject: string): Principal => ({ ...userOf(tenantId, 'tenant_admin'), subject });
  const first = (tenantId: string) => harness.as('gateway', person(tenantId, 'admin-1'));
  const second = (tenantId: string) => harness.as('gateway', person(tenantId, 'admin-2'));
  const service = (name: string, tenantId: string) => harness.as(name, systemPrincipal(name, tenantId));
  const holder = (name: string) => harness.as(name, { ...systemPrincipal(name, uuidv7()), tenantId: undefined });
  const keys = (tenantId: string) => service('retrieval', tenantId).getDataKeys({ purpose: KeyPurpose.CONTENT });
  const keyState = async (tenantId: string): Promise<string> => {
    const { keyId } = await kms.createKey(tenantId).catch(() => ({ keyId: `software:${tenantId}` }));
    return (await kms.describeKey(keyId)).state;
  };

  async function approved(): Promise<{ tenantId: string; offboardingId: string }> {
    const tenantId = await newTenant();
    const { offboarding } = await first(tenantId).requestOffboarding({});
    const offboardingId = offboarding?.offboardingId ?? '';
    await second(tenantId).approveOffboarding({ offboardingId });
    return { tenantId, offboardingId };
  }

  /** Does what a holder does: takes its work and reports it done. */
  async function purge(name: string, tenantId: string, removed: Record<string, bigint>): Promise<void> {
    const { work } = await holder(name).listTenantWork({});
    const piece = work.find((found) => found.tenantId === tenantId);
    expect(piece?.kind).to.equal(TenantWorkKind.PURGE);
    const report = { workId: piece?.workId ?? '', documentsDone: 2n, documentsLeft: 0n, removed };
    await service(name, tenantId).reportTenantWork(report);
  }

  it('needs two people: a request changes nothing, and its author cannot approve it', async () => {
    const tenantId = await newTenant();
    const offboardingId = uuidv7();
    const { offboarding } = await first(tenantId).requestOffboarding({ offboardingId });
    expect(offboarding).to.include({ state: OffboardingState.REQUESTED, requestedBy: 'admin-1', approvedBy: '' });
    await keys(tenantId);
    expect(await reasonOf(first(tenantId).approveOffboarding({ offboardingId }))).to.equal('OFFBOARDING_NEEDS_ANOTHER');
    const program: Principal = { ...person(tenantId, 'batch'), kind: 'client' };
    expect(await reasonOf(harness.as('gateway', program).approveOffboarding({ offboardingId }))).to.equal(
      'PERMISSION_DENIED',
    );
    const clinician = harness.as('gateway', userOf(tenantId));
    expect(await reasonOf(clinician.approveOffboarding({ offboardingId }))).to.equal('PERMISSION_DENIED');
    await keys(tenantId);
  });

  it('is requested once: the same id answers again, another is refused while one stands', async () => {
    const tenantId = await newTenant();
    const offboardingId = uuidv7();
    const both = await Promise.all([1, 2].map(() => first(tenantId).requestOffboarding({ offboardingId })));
    expect(both[0]).to.deep.equal(both[1]);
    expect(await reasonOf(second(tenantId).requestOffboarding({}))).to.equal('OFFBOARDING_ALREADY_EXISTS');
    expect(auditor.events.filter(({ action }) => action === 'offboarding.request')).to.have.length(1);
  });

  it('closes the tenant with its approval: no key is given out, the KMS key waits for its deletion', async () => {
    const { tenantId, offboardingId } = await approved();
    expect(await reasonOf(keys(tenantId))).to.equal('TENANT_OFFBOARDING');
    expect(await keyState(tenantId)).to.equal('pending-deletion');
    const { offboarding } = await first(tenantId).getOffboarding({});
    expect(offboarding).to.include({ offboardingId, state: OffboardingState.SCHEDULED, approvedBy: 'admin-2' });
    expect(Number(offboarding?.deletionAt?.seconds)).to.be.closeTo((clockMs + 7 * dayMs) / 1000, 2);
    const { tenant } = await first(tenantId).getTenant({});
    expect(tenant?.state).to.equal(TenantState.OFFBOARDING);
    // Approved again by the same person: the same answer.
    const again = await second(tenantId).approveOffboarding({ offboardingId });
    expect(again.offboarding?.state).to.equal(OffboardingState.SCHEDULED);
    const other = await newTenant();
    await keys(other);
  });

  it('can be taken back until the key is deleted, and everything opens again', async () => {
    const tenantId = await newTenant();
    const before = await keys(tenantId);
    const { offboarding } = await first(tenantId).requestOffboarding({});
    const offboardingId = offboarding?.offboardingId ?? '';
    await second(tenantId).approveOffboarding({ offboardingId });
    clockMs += 6 * dayMs;
    await driver.pass();
    const { offboarding: cancelled } = await first(tenantId).cancelOffboarding({ offboardingId });
    expect(cancelled?.state).to.equal(OffboardingState.CANCELLED);
    harness.forgetKeys(tenantId);
    expect((await keys(tenantId)).dataKey?.key).to.deep.equal(before.dataKey?.key);
    // A new one may be requested, and the old one is not approved any more.
    expect(await reasonOf(second(tenantId).approveOffboarding({ offboardingId }))).to.equal(
      'OFFBOARDING_STATE_CONFLICT',
    );
    await first(tenantId).requestOffboarding({});
  });

  it('gives a suspended tenant back as it was', async () => {
    const tenantId = await newTenant();
    await harness.as('gateway', platformAdmin).suspendTenant({ tenantId });
    const { offboarding } = await first(tenantId).requestOffboarding({});
    const offboardingId = offboarding?.offboardingId ?? '';
    await second(tenantId).approveOffboarding({ offboardingId });
    expect(await reasonOf(harness.as('gateway', platformAdmin).resumeTenant({ tenantId }))).to.equal(
      'TENANT_STATE_CONFLICT',
    );
    await second(tenantId).cancelOffboarding({ offboardingId });
    expect(await reasonOf(keys(tenantId))).to.equal('TENANT_SUSPENDED');
  });

  it('goes on from where a crash or a fault of KMS left it', async () => {
    faults.kms = true;
    const { tenantId } = await approved();
    const { offboarding } = await first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.APPROVED);
    expect(await reasonOf(keys(tenantId))).to.equal('TENANT_OFFBOARDING');
    await driver.pass();
    expect(await keyState(tenantId)).to.equal('enabled');
    faults.kms = false;
    await driver.pass();
    expect(await keyState(tenantId)).to.equal('pending-deletion');
  });

  it('removes nothing while the key lives: a key that KMS has enabled again gets a new window', async () => {
    const { tenantId } = await approved();
    const { keyId } = { keyId: `software:${tenantId}` };
    // A cancellation that died after it had reached KMS.
    await kms.cancelDeletion(keyId);
    await kms.enableKey(keyId);
    clockMs += 7 * dayMs;
    await driver.pass();
    const { offboarding } = await first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.SCHEDULED);
    expect(Number(offboarding?.deletionAt?.seconds)).to.be.greaterThan(clockMs / 1000);
    expect((await holder('retrieval').listTenantWork({})).work.map(({ tenantId: of }) => of)).not.to.include(tenantId);
  });

  it('ends with everything removed, a certificate that anybody can check, and no way back', async () => {
    const { tenantId, offboardingId } = await approved();
    clockMs += 7 * dayMs;
    await driver.pass();
    expect(await keyState(tenantId)).to.equal('deleted');
    expect(await reasonOf(first(tenantId).cancelOffboarding({ offboardingId }))).to.equal('OFFBOARDING_STATE_CONFLICT');
    await purge('retrieval', tenantId, { documents: 2n, chunks: 40n });
    await driver.pass();
    expect((await first(tenantId).getOffboarding({})).offboarding?.certificate).to.equal('');
    await purge('ingestion', tenantId, { documents: 2n, objects: 2n });
    await driver.pass();
    await driver.pass();

    const { offboarding } = await first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.COMPLETED);
    const { payload, protectedHeader } = await jwtVerify(
      offboarding?.certificate ?? '',
      createLocalJWKSet((await harness.jwks()) as JSONWebKeySet),
      { issuer: 'tenant-key', typ: certificateType },
    );
    expect(protectedHeader.kid).to.equal('tenant-key');
    const says = payload['says'] as Record<string, unknown>;
    expect(says).to.include({
      tenant: tenantId,
      offboarding: offboardingId,
      requestedBy: 'admin-1',
      approvedBy: 'admin-2',
    });
    expect(says['removed']).to.deep.equal({
      ingestion: { documents: 2, objects: 2 },
      retrieval: { documents: 2, chunks: 40 },
    });
    expect(says['keys']).to.deep.equal([
      { keyId: `software:${tenantId}`, firstVersion: 1, versions: 1, state: 'deleted' },
    ]);
    const [removed, complete] = auditLog.events;
    expect(removed?.attributes).to.include({ retrieval_chunks: '40', ingestion_objects: '2' });
    expect(says['auditHead']).to.deep.equal({ sequence: '1', hash: '01'.repeat(32) });
    expect(certificateOf(complete?.attributes ?? {})).to.equal(offboarding?.certificate);
    expect(auditLog.events).to.have.length(2);

    const rows = await opened.test.query('select from tenant_key.data_key where tenant_id = $1', [tenantId]);
    expect(rows).to.have.length(0);
    expect(await reasonOf(keys(tenantId))).to.equal('TENANT_OFFBOARDING');
    const { tenant } = await first(tenantId).getTenant({});
    expect(tenant?.state).to.equal(TenantState.OFFBOARDED);
    expect(await reasonOf(second(tenantId).requestOffboarding({}))).to.equal('OFFBOARDING_ALREADY_EXISTS');
  });

  it('certifies what the purge did, not a rotation that was given the same id', async () => {
    const tenantId = await newTenant();
    const id = uuidv7();
    await first(tenantId).requestOffboarding({ offboardingId: id });
    await first(tenantId).startKeyRotation({ rotationId: id });
    clockMs += 120_000;
    for (const name of ['ingestion', 'retrieval']) {
      await service(name, tenantId).reportTenantWork({ workId: id, documentsDone: 0n, documentsLeft: 0n });
    }
    await driver.pass();
    await second(tenantId).approveOffboarding({ offboardingId: id });
    clockMs += 7 * dayMs;
    await driver.pass();
    await driver.pass();
    const { offboarding } = await first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.PURGING);
    for (const name of ['ingestion', 'retrieval']) await purge(name, tenantId, { documents: 1n });
    await driver.pass();
    expect((await first(tenantId).getOffboarding({})).offboarding?.state).to.equal(OffboardingState.COMPLETED);
  });

  it('says the same again in the audit log when it died between its certificate and its end', async () => {
    const { tenantId } = await approved();
    clockMs += 7 * dayMs;
    await driver.pass();
    for (const name of ['ingestion', 'retrieval']) await purge(name, tenantId, { documents: 1n });
    auditLog.answerLost = 1;
    await driver.pass();
    clockMs += 1_000;
    auditLog.answerLost = 1;
    await driver.pass();
    clockMs += 1_000;
    await driver.pass();
    expect((await first(tenantId).getOffboarding({})).offboarding?.state).to.equal(OffboardingState.COMPLETED);
    expect(auditLog.events.map(({ action }) => action)).to.deep.equal(['offboarding.removed', 'offboarding.complete']);
  });

  it('does not go on without its audit events', async () => {
    const tenantId = await newTenant();
    const { offboarding } = await first(tenantId).requestOffboarding({});
    auditor.away = true;
    const approving = second(tenantId).approveOffboarding({ offboardingId: offboarding?.offboardingId ?? '' });
    expect(await reasonOf(approving)).to.equal('AUDIT_UNAVAILABLE');
    auditor.away = false;
    await keys(tenantId);
  });

  it('is another tenant’s business to nobody', async () => {
    const { tenantId, offboardingId } = await approved();
    const other = await newTenant();
    const theirs = [
      second(other).requestOffboarding({ tenantId }),
      second(other).approveOffboarding({ tenantId, offboardingId }),
      second(other).cancelOffboarding({ tenantId, offboardingId }),
      second(other).getOffboarding({ tenantId }),
      second(other).cancelOffboarding({ offboardingId }),
    ];
    expect(await Promise.all(theirs.map(reasonOf))).to.deep.equal([
      ...Array.from({ length: 4 }, () => 'TENANT_NOT_FOUND'),
      'OFFBOARDING_NOT_FOUND',
    ]);
  });
});
