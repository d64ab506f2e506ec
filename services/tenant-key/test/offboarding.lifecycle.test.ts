import type { Principal } from '@wardstone/rpc';
import { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { OffboardingState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { TenantWorkKind } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { expect } from 'chai';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { certificateOf, certificateType } from '../src/lifecycle/certificate.ts';
import { away, dayMs, openLeavingTenants, person, type LeavingTenants } from './leaving-tenants.ts';
import { platformAdmin, reasonOf, userOf } from './support.ts';

describe('offboarding', () => {
  let world: LeavingTenants;

  before(async function () {
    this.timeout(60_000);
    world = await openLeavingTenants();
  });
  after(() => world.close());
  beforeEach(() => world.reset());

  /** Does what a holder does: takes its work and reports it done. */
  async function purge(name: string, tenantId: string, removed: Record<string, bigint>): Promise<void> {
    const { work } = await world.holder(name).listTenantWork({});
    const piece = work.find((found) => found.tenantId === tenantId);
    expect(piece?.kind).to.equal(TenantWorkKind.PURGE);
    const report = { workId: piece?.workId ?? '', documentsDone: 2n, documentsLeft: 0n, removed };
    await world.service(name, tenantId).reportTenantWork(report);
  }

  it('needs two people: a request changes nothing, and its author cannot approve it', async () => {
    const tenantId = await world.newTenant();
    const offboardingId = uuidv7();
    const { offboarding } = await world.first(tenantId).requestOffboarding({ offboardingId });
    expect(offboarding).to.include({ state: OffboardingState.REQUESTED, requestedBy: 'admin-1', approvedBy: '' });
    await world.keys(tenantId);
    expect(await reasonOf(world.first(tenantId).approveOffboarding({ offboardingId }))).to.equal(
      'OFFBOARDING_NEEDS_ANOTHER',
    );
    const program: Principal = { ...person(tenantId, 'batch'), kind: 'client' };
    expect(await reasonOf(world.harness.as('gateway', program).approveOffboarding({ offboardingId }))).to.equal(
      'PERMISSION_DENIED',
    );
    const clinician = world.harness.as('gateway', userOf(tenantId));
    expect(await reasonOf(clinician.approveOffboarding({ offboardingId }))).to.equal('PERMISSION_DENIED');
    await world.keys(tenantId);
  });

  it('is requested once: the same id answers again, another is refused while one stands', async () => {
    const tenantId = await world.newTenant();
    const offboardingId = uuidv7();
    const both = await Promise.all([1, 2].map(() => world.first(tenantId).requestOffboarding({ offboardingId })));
    expect(both[0]).to.deep.equal(both[1]);
    expect(await reasonOf(world.second(tenantId).requestOffboarding({}))).to.equal('OFFBOARDING_ALREADY_EXISTS');
    expect(world.auditor.events.filter(({ action }) => action === 'offboarding.request')).to.have.length(1);
  });

  it('closes the tenant with its approval: no key is given out, the KMS key waits for its deletion', async () => {
    const { tenantId, offboardingId } = await world.approved();
    expect(await reasonOf(world.keys(tenantId))).to.equal('TENANT_OFFBOARDING');
    expect(await world.keyState(tenantId)).to.equal('pending-deletion');
    const { offboarding } = await world.first(tenantId).getOffboarding({});
    expect(offboarding).to.include({ offboardingId, state: OffboardingState.SCHEDULED, approvedBy: 'admin-2' });
    expect(Number(offboarding?.deletionAt?.seconds)).to.be.closeTo((world.clockMs + 7 * dayMs) / 1000, 2);
    const { tenant } = await world.first(tenantId).getTenant({});
    expect(tenant?.state).to.equal(TenantState.OFFBOARDING);
    // Approved again by the same person: the same answer.
    const again = await world.second(tenantId).approveOffboarding({ offboardingId });
    expect(again.offboarding?.state).to.equal(OffboardingState.SCHEDULED);
    const other = await world.newTenant();
    await world.keys(other);
  });

  it('can be taken back until the key is deleted, and everything opens again', async () => {
    const tenantId = await world.newTenant();
    const before = await world.keys(tenantId);
    const { offboarding } = await world.first(tenantId).requestOffboarding({});
    const offboardingId = offboarding?.offboardingId ?? '';
    await world.second(tenantId).approveOffboarding({ offboardingId });
    world.clockMs += 6 * dayMs;
    await world.driver.pass();
    const { offboarding: cancelled } = await world.first(tenantId).cancelOffboarding({ offboardingId });
    expect(cancelled?.state).to.equal(OffboardingState.CANCELLED);
    world.harness.forgetKeys(tenantId);
    expect((await world.keys(tenantId)).dataKey?.key).to.deep.equal(before.dataKey?.key);
    // A new one may be requested, and the old one is not approved any more.
    expect(await reasonOf(world.second(tenantId).approveOffboarding({ offboardingId }))).to.equal(
      'OFFBOARDING_STATE_CONFLICT',
    );
    await world.first(tenantId).requestOffboarding({});
  });

  it('gives a suspended tenant back as it was', async () => {
    const tenantId = await world.newTenant();
    await world.harness.as('gateway', platformAdmin).suspendTenant({ tenantId });
    const { offboarding } = await world.first(tenantId).requestOffboarding({});
    const offboardingId = offboarding?.offboardingId ?? '';
    await world.second(tenantId).approveOffboarding({ offboardingId });
    expect(await reasonOf(world.harness.as('gateway', platformAdmin).resumeTenant({ tenantId }))).to.equal(
      'TENANT_STATE_CONFLICT',
    );
    await world.second(tenantId).cancelOffboarding({ offboardingId });
    expect(await reasonOf(world.keys(tenantId))).to.equal('TENANT_SUSPENDED');
  });

  it('goes on from where a crash or a fault of KMS left it', async () => {
    world.faults.disableKey = away;
    const { tenantId } = await world.approved();
    const { offboarding } = await world.first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.APPROVED);
    expect(await reasonOf(world.keys(tenantId))).to.equal('TENANT_OFFBOARDING');
    await world.driver.pass();
    expect(await world.keyState(tenantId)).to.equal('enabled');
    world.faults = {};
    await world.driver.pass();
    expect(await world.keyState(tenantId)).to.equal('pending-deletion');
  });

  it('removes nothing while the key lives: a key that KMS has enabled again gets a new window', async () => {
    const { tenantId } = await world.approved();
    const { keyId } = { keyId: `software:${tenantId}` };
    // By somebody acting in KMS.
    await world.kms.cancelDeletion(keyId);
    await world.kms.enableKey(keyId);
    world.clockMs += 7 * dayMs;
    await world.driver.pass();
    const { offboarding } = await world.first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.SCHEDULED);
    expect(Number(offboarding?.deletionAt?.seconds)).to.be.greaterThan(world.clockMs / 1000);
    expect((await world.holder('retrieval').listTenantWork({})).work.map(({ tenantId: of }) => of)).not.to.include(
      tenantId,
    );
  });

  it('ends with everything removed, a certificate that anybody can check, and no way back', async () => {
    const { tenantId, offboardingId } = await world.approved();
    world.clockMs += 7 * dayMs;
    await world.driver.pass();
    expect(await world.keyState(tenantId)).to.equal('deleted');
    expect(await reasonOf(world.first(tenantId).cancelOffboarding({ offboardingId }))).to.equal(
      'OFFBOARDING_STATE_CONFLICT',
    );
    await purge('retrieval', tenantId, { documents: 2n, chunks: 40n });
    await world.driver.pass();
    expect((await world.first(tenantId).getOffboarding({})).offboarding?.certificate).to.equal('');
    await purge('ingestion', tenantId, { documents: 2n, objects: 2n });
    // As if it had been begun before llm held anything: it is given its work then.
    await world.query(`delete from tenant_key.tenant_work where tenant_id = $1 and holder = 'llm'`, [tenantId]);
    await world.driver.pass();
    expect((await world.first(tenantId).getOffboarding({})).offboarding?.certificate).to.equal('');
    await purge('llm', tenantId, { conversations: 1n, turns: 3n });
    await world.driver.pass();
    await world.driver.pass();

    const { offboarding } = await world.first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.COMPLETED);
    const { payload, protectedHeader } = await jwtVerify(
      offboarding?.certificate ?? '',
      createLocalJWKSet((await world.harness.jwks()) as JSONWebKeySet),
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
      llm: { conversations: 1, turns: 3 },
    });
    expect(says['keys']).to.deep.equal([
      { keyId: `software:${tenantId}`, firstVersion: 1, versions: 1, state: 'deleted' },
    ]);
    const [removed, complete] = world.auditLog.events;
    expect(removed?.attributes).to.include({ retrieval_chunks: '40', ingestion_objects: '2' });
    expect(says['auditHead']).to.deep.equal({ sequence: '1', hash: '01'.repeat(32) });
    expect(certificateOf(complete?.attributes ?? {})).to.equal(offboarding?.certificate);
    expect(world.auditLog.events).to.have.length(2);

    const rows = await world.query('select from tenant_key.data_key where tenant_id = $1', [tenantId]);
    expect(rows).to.have.length(0);
    expect(await reasonOf(world.keys(tenantId))).to.equal('TENANT_OFFBOARDING');
    const { tenant } = await world.first(tenantId).getTenant({});
    expect(tenant?.state).to.equal(TenantState.OFFBOARDED);
    expect(await reasonOf(world.second(tenantId).requestOffboarding({}))).to.equal('OFFBOARDING_ALREADY_EXISTS');
  });

  it('certifies what the purge did, not a rotation that was given the same id', async () => {
    const tenantId = await world.newTenant();
    const id = uuidv7();
    await world.first(tenantId).requestOffboarding({ offboardingId: id });
    await world.first(tenantId).startKeyRotation({ rotationId: id });
    world.clockMs += 120_000;
    for (const name of ['ingestion', 'retrieval', 'llm']) {
      await world.service(name, tenantId).reportTenantWork({ workId: id, documentsDone: 0n, documentsLeft: 0n });
    }
    await world.driver.pass();
    await world.second(tenantId).approveOffboarding({ offboardingId: id });
    world.clockMs += 7 * dayMs;
    await world.driver.pass();
    await world.driver.pass();
    const { offboarding } = await world.first(tenantId).getOffboarding({});
    expect(offboarding?.state).to.equal(OffboardingState.PURGING);
    for (const name of ['ingestion', 'retrieval', 'llm']) await purge(name, tenantId, { documents: 1n });
    await world.driver.pass();
    expect((await world.first(tenantId).getOffboarding({})).offboarding?.state).to.equal(OffboardingState.COMPLETED);
  });

  it('says the same again in the audit log when it died between its certificate and its end', async () => {
    const { tenantId } = await world.approved();
    world.clockMs += 7 * dayMs;
    await world.driver.pass();
    for (const name of ['ingestion', 'retrieval', 'llm']) await purge(name, tenantId, { documents: 1n });
    world.auditLog.answerLost = 1;
    await world.driver.pass();
    world.clockMs += 1_000;
    world.auditLog.answerLost = 1;
    await world.driver.pass();
    world.clockMs += 1_000;
    await world.driver.pass();
    expect((await world.first(tenantId).getOffboarding({})).offboarding?.state).to.equal(OffboardingState.COMPLETED);
    expect(world.auditLog.events.map(({ action }) => action)).to.deep.equal([
      'offboarding.removed',
      'offboarding.complete',
    ]);
  });

  it('does not go on without its audit events', async () => {
    const tenantId = await world.newTenant();
    const { offboarding } = await world.first(tenantId).requestOffboarding({});
    world.auditor.away = true;
    const approving = world.second(tenantId).approveOffboarding({ offboardingId: offboarding?.offboardingId ?? '' });
    expect(await reasonOf(approving)).to.equal('AUDIT_UNAVAILABLE');
    world.auditor.away = false;
    await world.keys(tenantId);
  });

  it('is another tenant’s business to nobody', async () => {
    const { tenantId, offboardingId } = await world.approved();
    const other = await world.newTenant();
    const theirs = [
      world.second(other).requestOffboarding({ tenantId }),
      world.second(other).approveOffboarding({ tenantId, offboardingId }),
      world.second(other).cancelOffboarding({ tenantId, offboardingId }),
      world.second(other).getOffboarding({ tenantId }),
      world.second(other).cancelOffboarding({ offboardingId }),
    ];
    expect(await Promise.all(theirs.map(reasonOf))).to.deep.equal([
      ...Array.from({ length: 4 }, () => 'TENANT_NOT_FOUND'),
      'OFFBOARDING_NOT_FOUND',
    ]);
  });
});
