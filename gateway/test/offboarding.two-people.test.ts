import { create } from '@bufbuild/protobuf';
import { OffboardingState, WorkProgressSchema } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { expectProblem, postJson } from './support/http.ts';
import { addTenant } from './support/in-test-services.ts';
import { type World, startWorld, tenantA, tenantB } from './support/world.ts';

interface Offboarding {
  readonly offboardingId: string;
}

describe('the offboarding of a tenant', () => {
  let world: World;
  let one: { authorization: string };
  let other: { authorization: string };
  const url = (tenantId: string, step = '') => `${world.url}/v1/tenants/${tenantId}/offboarding${step}`;
  const request = (headers: Record<string, string>, tenantId = tenantA) =>
    fetch(url(tenantId), { method: 'POST', headers });
  const requested = async (headers = one) => (await (await request(headers)).json()) as Offboarding;
  const decide = (step: 'approval' | 'cancellation', headers: Record<string, string>, body: unknown) =>
    postJson(url(tenantA, `/${step}`), headers, body);

  before(async () => {
    world = await startWorld();
    one = await world.bearer({ roles: ['tenant_admin'], subject: 'admin-1' });
    other = await world.bearer({ roles: ['tenant_admin'], subject: 'admin-2' });
  });
  after(() => world.close());
  beforeEach(() => {
    world.state.offboardings.length = 0;
    for (const tenantId of [tenantA, tenantB]) addTenant(world.state, tenantId);
  });

  it('is requested by one, approved by another, and taken back', async () => {
    const asked = await request(one);
    expect([asked.status, asked.headers.get('location')]).to.deep.equal([202, `/v1/tenants/${tenantA}/offboarding`]);
    const { offboardingId, ...rest } = (await asked.json()) as Offboarding;
    expect(rest).to.deep.include({ tenantId: tenantA, state: 'REQUESTED', requestedBy: 'admin-1', progress: [] });
    expect(rest).to.have.all.keys('tenantId', 'state', 'requestedBy', 'requestedAt', 'progress');

    const approved = await decide('approval', other, { offboardingId });
    expect(approved.status).to.equal(200);
    const approval: unknown = await approved.json();
    expect(approval).to.include({ offboardingId, state: 'SCHEDULED', approvedBy: 'admin-2' });
    expect(approval).to.include.keys('approvedAt', 'deletionAt');
    const shown = await fetch(url(tenantA), { headers: await world.bearer({ roles: ['auditor'] }) });
    expect([shown.status, await shown.json()]).to.deep.equal([200, approval]);
    const tenant = await fetch(`${world.url}/v1/tenants/${tenantA}`, { headers: one });
    expect(await tenant.json()).to.include({ state: 'OFFBOARDING' });

    const cancelled = await decide('cancellation', one, { offboardingId });
    expect(cancelled.status).to.equal(200);
    expect(await cancelled.json())
      .to.include({ offboardingId, state: 'CANCELLED' })
      .and.to.include.keys('endedAt');
  });

  it('shows its progress, counts as numbers, and its certificate at the end', async () => {
    await request(one);
    const [offboarding] = world.state.offboardings;
    if (offboarding === undefined) throw new Error('nothing was requested');
    offboarding.state = OffboardingState.PURGING;
    const progress = { holder: 'ingestion', done: false, documentsDone: 12n, documentsLeft: 30n };
    offboarding.progress = [create(WorkProgressSchema, progress)];
    expect(await (await fetch(url(tenantA), { headers: one })).json()).to.deep.include({
      state: 'PURGING',
      progress: [{ holder: 'ingestion', done: false, documentsDone: 12, documentsLeft: 30 }],
    });
    offboarding.state = OffboardingState.COMPLETED;
    offboarding.certificate = 'header.payload.signature';
    expect(await (await fetch(url(tenantA), { headers: one })).json()).to.include({
      state: 'COMPLETED',
      certificate: 'header.payload.signature',
    });
    const { offboardingId } = offboarding;
    await expectProblem(await decide('cancellation', one, { offboardingId }), 409, 'OFFBOARDING_STATE_CONFLICT');
    await expectProblem(await decide('approval', other, { offboardingId }), 409, 'OFFBOARDING_STATE_CONFLICT');
  });

  it('is not approved by who requested it, not approved after it was taken back, and not requested twice', async () => {
    const { offboardingId } = await requested();
    await expectProblem(await decide('approval', one, { offboardingId }), 403, 'OFFBOARDING_NEEDS_ANOTHER');
    await expectProblem(await request(other), 409, 'OFFBOARDING_ALREADY_EXISTS');
    expect(await (await fetch(url(tenantA), { headers: one })).json()).to.include({ state: 'REQUESTED' });
    expect((await decide('cancellation', other, { offboardingId })).status).to.equal(200);
    await expectProblem(await decide('approval', other, { offboardingId }), 409, 'OFFBOARDING_STATE_CONFLICT');
    const next = await requested(other);
    expect(next.offboardingId).not.to.equal(offboardingId);
    // Whoever saw the first has not seen the second.
    const third = await world.bearer({ roles: ['tenant_admin'], subject: 'admin-3' });
    await expectProblem(await decide('approval', third, { offboardingId }), 409, 'OFFBOARDING_STATE_CONFLICT');
    expect(await (await fetch(url(tenantA), { headers: one })).json()).to.include({
      offboardingId: next.offboardingId,
      state: 'REQUESTED',
    });
  });

  it('is requested once under one idempotency key, of one caller', async () => {
    const mine = { ...one, 'idempotency-key': 'leave' };
    const first = (await (await request(mine)).json()) as Offboarding;
    expect(first.offboardingId).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-/);
    const again = await request(mine, tenantA.toUpperCase());
    expect([again.status, await again.json()]).to.deep.equal([202, first]);
    await expectProblem(await request({ ...other, 'idempotency-key': 'leave' }), 409, 'OFFBOARDING_ALREADY_EXISTS');
    await expectProblem(await request({ ...one, 'idempotency-key': 'leave-2' }), 409, 'OFFBOARDING_ALREADY_EXISTS');
    await expectProblem(await request({ ...one, 'idempotency-key': '' }), 400, 'INVALID_ARGUMENT');
  });

  it('is for people who administer: not for clinicians, not for programs', async () => {
    const { offboardingId } = await requested();
    const clinician = await world.bearer();
    for (const response of [
      await request(clinician),
      await fetch(url(tenantA), { headers: clinician }),
      await decide('approval', clinician, { offboardingId }),
      await decide('cancellation', clinician, { offboardingId }),
    ]) {
      await expectProblem(response, 403, 'PERMISSION_DENIED');
    }
    const program = await world.bearer({ roles: ['tenant_admin'], client: true, subject: 'program-1' });
    await expectProblem(await request(program), 403, 'PERMISSION_DENIED');
  });

  it('of another tenant is not there, whatever is asked of it', async () => {
    const platform = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'] })}` };
    const { offboardingId } = (await (await request(platform, tenantB)).json()) as Offboarding;
    for (const tenantId of [tenantB, uuidv7(), 'nonsense', '%00', '..%2f']) {
      for (const response of [
        await request(one, tenantId),
        await fetch(url(tenantId), { headers: one }),
        await postJson(url(tenantId, '/approval'), one, { offboardingId }),
        await postJson(url(tenantId, '/cancellation'), one, { offboardingId }),
      ]) {
        await expectProblem(response, 404, 'TENANT_NOT_FOUND');
      }
    }
    for (const step of ['approval', 'cancellation'] as const) {
      await expectProblem(await decide(step, one, { offboardingId }), 404, 'OFFBOARDING_NOT_FOUND');
    }
    await expectProblem(await fetch(url(tenantA), { headers: one }), 404, 'OFFBOARDING_NOT_FOUND');
    expect(world.state.offboardings.map(({ state }) => state)).to.deep.equal([OffboardingState.REQUESTED]);
  });

  it('takes decisions that name one offboarding, and nothing else', async () => {
    const { offboardingId } = await requested();
    for (const step of ['approval', 'cancellation'] as const) {
      for (const [body, reason] of [
        ['', 'MALFORMED_JSON'],
        ['{', 'MALFORMED_JSON'],
        [{}, 'INVALID_ARGUMENT'],
        [[], 'INVALID_ARGUMENT'],
        [{ offboardingId: '' }, 'INVALID_ARGUMENT'],
        [{ offboardingId: [offboardingId] }, 'INVALID_ARGUMENT'],
        [{ offboardingId: `${offboardingId}\0` }, 'INVALID_ARGUMENT'],
        [{ offboardingId: "' OR '1'='1" }, 'INVALID_ARGUMENT'],
        [{ offboardingId, tenantId: tenantB }, 'UNKNOWN_FIELD'],
        [`{"offboardingId":"${offboardingId}","__proto__":{}}`, 'UNKNOWN_FIELD'],
      ] as const) {
        await expectProblem(await decide(step, other, body), 400, reason);
      }
    }
    await expectProblem(await postJson(url(tenantA), one, { force: true }), 400, 'UNKNOWN_FIELD');
    expect(await (await fetch(url(tenantA), { headers: one })).json()).to.include({ state: 'REQUESTED' });
  });
});
