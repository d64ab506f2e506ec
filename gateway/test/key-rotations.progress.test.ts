import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { AppError } from '@wardstone/rpc';
import { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import {
  KeyRotationCause,
  KeyRotationState,
  WorkProgressSchema,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { expectProblem } from './support/http.ts';
import { addTenant } from './support/in-test-services.ts';
import { type World, startWorld, tenantA, tenantB } from './support/world.ts';

const idle = { done: false, documentsDone: 0, documentsLeft: 0 };

interface Rotation {
  readonly rotationId: string;
}

describe('key rotations', () => {
  let world: World;
  let admin: { authorization: string };
  let platform: { authorization: string };
  const rotations = (tenantId: string) => `${world.url}/v1/tenants/${tenantId}/key-rotations`;
  const start = (tenantId: string, headers: Record<string, string>) =>
    fetch(rotations(tenantId), { method: 'POST', headers });
  const complete = () => {
    for (const rotation of world.state.rotations) {
      rotation.state = KeyRotationState.COMPLETED;
      rotation.completedAt = timestampFromDate(new Date('2026-11-22T09:30:00Z'));
    }
  };

  before(async () => {
    world = await startWorld();
    admin = await world.bearer({ roles: ['tenant_admin'], subject: 'admin-a' });
    platform = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'], subject: 'root' })}` };
  });
  after(() => world.close());
  beforeEach(() => {
    world.state.rotations.length = 0;
    for (const tenantId of [tenantA, tenantB]) addTenant(world.state, tenantId);
  });

  it('are begun, and say where they are', async () => {
    const response = await start(tenantA, admin);
    expect(response.status).to.equal(202);
    const rotation = (await response.json()) as Rotation;
    expect(rotation).to.deep.include({
      tenantId: tenantA,
      keyVersion: 2,
      state: 'RESEALING',
      cause: 'REQUESTED',
      requestedBy: 'admin-a',
      progress: [
        { holder: 'ingestion', ...idle },
        { holder: 'retrieval', ...idle },
      ],
    });
    expect(rotation).not.to.have.property('completedAt');
    const location = response.headers.get('location') ?? '';
    expect(location).to.equal(`/v1/tenants/${tenantA}/key-rotations/${rotation.rotationId}`);
    for (const path of [location, `/v1/tenants/${tenantA}/key-rotations/latest`]) {
      const shown = await fetch(`${world.url}${path}`, { headers: admin });
      expect([shown.status, await shown.json()]).to.deep.equal([200, rotation]);
    }
    const tenant = await fetch(`${world.url}/v1/tenants/${tenantA}`, { headers: admin });
    expect(await tenant.json()).to.include({ keyVersion: 2 });
  });

  it('show how far each service is, counts as numbers, and when it ended', async () => {
    await start(tenantA, admin);
    const [rotation] = world.state.rotations;
    if (rotation === undefined) throw new Error('nothing was begun');
    const progress = { holder: 'retrieval', done: true, documentsDone: 4_000_000_000n, documentsLeft: 0n };
    rotation.progress = [create(WorkProgressSchema, progress)];
    rotation.cause = KeyRotationCause.USE_LIMIT;
    complete();
    const shown = await fetch(`${rotations(tenantA)}/latest`, { headers: await world.bearer({ roles: ['auditor'] }) });
    expect(await shown.json()).to.deep.include({
      state: 'COMPLETED',
      cause: 'USE_LIMIT',
      completedAt: '2026-11-22T09:30:00.000Z',
      progress: [{ holder: 'retrieval', done: true, documentsDone: 4_000_000_000, documentsLeft: 0 }],
    });
  });

  it('are begun once under one idempotency key, of one caller, for one tenant', async () => {
    const mine = { ...platform, 'idempotency-key': 'yearly-2026' };
    const first = (await (await start(tenantA, mine)).json()) as Rotation;
    expect(first.rotationId).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const again = await start(tenantA.toUpperCase(), mine);
    expect([again.status, await again.json()]).to.deep.equal([202, first]);
    complete();
    expect(await (await start(tenantA, mine)).json()).to.include({ rotationId: first.rotationId, state: 'COMPLETED' });

    const others = [await start(tenantB, mine), await start(tenantA, { ...admin, 'idempotency-key': 'yearly-2026' })];
    complete();
    others.push(await start(tenantA, { ...mine, 'idempotency-key': 'yearly-2027' }));
    const ids = await Promise.all(others.map(async (other) => ((await other.json()) as Rotation).rotationId));
    expect(new Set([first.rotationId, ...ids])).to.have.property('size', 4);
    await expectProblem(await start(tenantA, { ...mine, 'idempotency-key': 'a b' }), 400, 'INVALID_ARGUMENT');
  });

  it('are refused while one goes on, and where the tenant is closed', async () => {
    await start(tenantA, admin);
    await expectProblem(await start(tenantA, admin), 409, 'KEY_ROTATION_IN_PROGRESS');
    complete();
    for (const [state, reason] of [
      [TenantState.SUSPENDED, 'TENANT_SUSPENDED'],
      [TenantState.OFFBOARDING, 'TENANT_OFFBOARDING'],
    ] as const) {
      addTenant(world.state, tenantA, { state });
      await expectProblem(await start(tenantA, admin), 403, reason);
    }
  });

  it('are refused too soon after the last one, with the time to wait', async () => {
    world.state.instead.startKeyRotation = () => {
      throw new AppError('KEY_ROTATION_TOO_SOON', { retryAfterMs: 1_799_001 });
    };
    const refused = await start(tenantA, admin);
    delete world.state.instead.startKeyRotation;
    expect(refused.headers.get('retry-after')).to.equal('1800');
    await expectProblem(refused, 429, 'KEY_ROTATION_TOO_SOON');
  });

  it('are not for clinicians, and of another tenant there is nothing', async () => {
    const clinician = await world.bearer();
    await expectProblem(await start(tenantA, clinician), 403, 'PERMISSION_DENIED');
    for (const path of ['latest', uuidv7()]) {
      const shown = await fetch(`${rotations(tenantA)}/${path}`, { headers: clinician });
      await expectProblem(shown, 403, 'PERMISSION_DENIED');
    }
    await start(tenantB, platform);
    const theirs = world.state.rotations[0]?.rotationId ?? '';
    for (const tenantId of [tenantB, uuidv7(), 'nonsense', '%00', '..%2f']) {
      await expectProblem(await start(tenantId, admin), 404, 'TENANT_NOT_FOUND');
      const latest = await fetch(`${rotations(tenantId)}/latest`, { headers: admin });
      await expectProblem(latest, 404, 'TENANT_NOT_FOUND');
    }
    await expectProblem(await fetch(`${rotations(tenantB)}/${theirs}`, { headers: admin }), 404, 'TENANT_NOT_FOUND');
    for (const id of [theirs, uuidv7(), 'nonsense', 'LATEST', '%00', '..%2flatest']) {
      const shown = await fetch(`${rotations(tenantA)}/${id}`, { headers: admin });
      await expectProblem(shown, 404, 'KEY_ROTATION_NOT_FOUND');
    }
    const none = await fetch(`${rotations(tenantA)}/latest`, { headers: admin });
    await expectProblem(none, 404, 'KEY_ROTATION_NOT_FOUND');
    expect(world.state.rotations).to.have.length(1);
  });
});
