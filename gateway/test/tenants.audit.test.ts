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
    expect(tenant).to.deep.include({ settings: { chunkSizeChars: 500, chunkOverlapChars: 0 } });
    const shown = await fetch(`${world.url}/v1/tenants/${tenantId}`, { headers: admin });
    expect(await shown.json()).to.deep.equal(tenant);
    const list = (await (await fetch(`${world.url}/v1/tenants`, { headers: admin })).json()) as { data: unknown[] };
    expect(list.data).to.deep.include(tenant);
    expect(list).to.include({ hasMore: false, nextToken: null });
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
