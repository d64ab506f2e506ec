import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { expectProblem, postJson } from './support/http.ts';
import { type World, startWorld } from './support/world.ts';

describe('tenants and audit events', () => {
  let world: World;
  let admin: { authorization: string };
  before(async () => {
    world = await startWorld();
    admin = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'], subject: 'admin-1' })}` };
  });
  after(() => world.close());

  it('makes a tenant, says where it is, and shows it', async () => {
    const tenantId = uuidv7();
    const body = { tenantId, displayName: 'Klinik Süd', settings: { chunkSizeChars: 500, chunkOverlapChars: 0 } };
    const response = await postJson(`${world.url}/v1/tenants`, admin, body);
    expect(response.status).to.equal(201);
    expect(response.headers.get('location')).to.equal(`/v1/tenants/${tenantId}`);
    const tenant: unknown = await response.json();
    expect(tenant).to.deep.include({ tenantId, displayName: 'Klinik Süd', state: 'ACTIVE', keyVersion: 1 });
    const settings = { chunkSizeChars: 500, chunkOverlapChars: 0, deletionWindowDays: 30 };
    expect(tenant).to.deep.include({ settings });
    const shown = await fetch(`${world.url}/v1/tenants/${tenantId}`, { headers: admin });
    expect(shown.headers.get('etag')).to.equal('"v1"');
    expect(await shown.json()).to.deep.equal(tenant);
    const list = (await (await fetch(`${world.url}/v1/tenants`, { headers: admin })).json()) as { data: unknown[] };
    expect(list.data).to.deep.include(tenant);
    expect(list).to.include({ hasMore: false, nextToken: null });
  });

  it('makes one tenant however often a request is repeated under one idempotency key', async () => {
    const create = (displayName: string, headers: Record<string, string>) =>
      postJson(`${world.url}/v1/tenants`, headers, { displayName });
    const mine = { ...admin, 'idempotency-key': 'clinic-7' };
    const first = await create('Klinik Ost', mine);
    expect(first.status).to.equal(201);
    expect(first.headers.get('etag')).to.equal('"v1"');
    const tenant = (await first.json()) as { readonly tenantId: string };
    expect(tenant.tenantId).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const again = await create('Klinik Ost', mine);
    expect([again.status, await again.json()]).to.deep.equal([201, tenant]);
    await expectProblem(await create('Klinik West', mine), 422, 'IDEMPOTENCY_KEY_REUSED');

    const token = await world.issuer.token({ roles: ['platform_admin'], subject: 'admin-2' });
    const theirs = { authorization: `Bearer ${token}`, 'idempotency-key': 'clinic-7' };
    const other = (await (await create('Klinik Ost', theirs)).json()) as { readonly tenantId: string };
    expect(other.tenantId).not.to.equal(tenant.tenantId);
    const next = (await (await create('Klinik Ost', { ...mine, 'idempotency-key': 'clinic-8' })).json()) as object;
    expect(next).not.to.include({ tenantId: tenant.tenantId });
    await expectProblem(await create('Klinik Ost', { ...admin, 'idempotency-key': 'a b' }), 400, 'INVALID_ARGUMENT');

    const tenantId = uuidv7();
    const named = { tenantId, displayName: 'Klinik Nord' };
    const given = await postJson(`${world.url}/v1/tenants`, mine, named);
    expect(await given.json()).to.include(named);
    const taken = await postJson(`${world.url}/v1/tenants`, mine, { ...named, displayName: 'Klinik Mitte' });
    await expectProblem(taken, 409, 'TENANT_ALREADY_EXISTS');
  });

  it('takes the settings that the service takes, and no others', async () => {
    const create = (settings: object) => postJson(`${world.url}/v1/tenants`, admin, { displayName: 'x', settings });
    const good = [
      {},
      { chunkSizeChars: 100, chunkOverlapChars: 50 },
      { chunkSizeChars: 8000, chunkOverlapChars: 4000 },
      { chunkOverlapChars: 500 },
      { deletionWindowDays: 7 },
      { deletionWindowDays: 30 },
    ];
    for (const settings of good) {
      const response = await create(settings);
      expect(response.status, JSON.stringify(settings)).to.equal(201);
      const shown = (await response.json()) as { readonly settings: unknown };
      expect(shown.settings).to.include({ deletionWindowDays: 30, ...settings });
    }
    const bad = [
      { chunkSizeChars: 99 },
      { chunkSizeChars: 8001 },
      { chunkSizeChars: 101, chunkOverlapChars: 51 },
      { chunkOverlapChars: 501 },
      { chunkOverlapChars: -1 },
      { deletionWindowDays: 0 },
      { deletionWindowDays: 6 },
      { deletionWindowDays: 31 },
      { deletionWindowDays: 7.5 },
      { deletionWindowDays: '7' },
    ];
    for (const settings of bad) await expectProblem(await create(settings), 400, 'INVALID_ARGUMENT');
  });

  it('answers alike for a tenant that is not there and for what is no id', async () => {
    for (const id of [uuidv7(), 'nonsense']) {
      await expectProblem(await fetch(`${world.url}/v1/tenants/${id}`, { headers: admin }), 404, 'TENANT_NOT_FOUND');
    }
  });

  it('lists events with filters, hashes in hexadecimal', async () => {
    const clinician = await world.bearer({ subject: 'user-5' });
    await expectProblem(await fetch(`${world.url}/v1/audit-events`, { headers: clinician }), 403, 'PERMISSION_DENIED');
    const auditor = await world.bearer({ roles: ['auditor'] });
    const query =
      'action=audit-event.read&outcome=DENIED&occurredFrom=2026-01-01T00:00:00Z&occurredBefore=2030-01-01T01:00:00%2B01:00';
    const response = await fetch(`${world.url}/v1/audit-events?${query}`, { headers: auditor });
    expect(response.status).to.equal(200);
    const { data } = (await response.json()) as { data: Record<string, unknown>[] };
    expect(data[0]).to.include({ action: 'audit-event.read', outcome: 'DENIED', sequence: 1, hash: '7f'.repeat(32) });
  });

  it('refuses filters that are not valid, and page tokens that were made up', async () => {
    const auditor = await world.bearer({ roles: ['auditor'] });
    for (const query of ['occurredFrom=yesterday', 'outcome=MAYBE', 'pageSize=501', `resourceId=${'x'.repeat(65)}`]) {
      await expectProblem(
        await fetch(`${world.url}/v1/audit-events?${query}`, { headers: auditor }),
        400,
        'INVALID_ARGUMENT',
      );
    }
    const response = await fetch(`${world.url}/v1/audit-events?pageToken=made-up`, { headers: auditor });
    await expectProblem(response, 400, 'PAGE_TOKEN_INVALID');
  });
});
