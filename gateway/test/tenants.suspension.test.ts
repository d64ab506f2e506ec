import { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { expectProblem, postJson } from './support/http.ts';
import { addTenant } from './support/in-test-services.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

describe('the suspension of a tenant', () => {
  let world: World;
  let admin: { authorization: string };
  let url: string;
  before(async () => {
    world = await startWorld();
    admin = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'], subject: 'admin-1' })}` };
  });
  after(() => world.close());
  beforeEach(() => {
    addTenant(world.state, tenantA);
    url = `${world.url}/v1/tenants/${tenantA}/suspension`;
  });

  it('is made and ended, as often as one likes, and shows in the tenant', async () => {
    for (const [method, state] of [
      ['POST', 'SUSPENDED'],
      ['POST', 'SUSPENDED'],
      ['DELETE', 'ACTIVE'],
      ['DELETE', 'ACTIVE'],
    ]) {
      const response = await fetch(url, { method: method ?? '', headers: admin });
      expect(response.status).to.equal(200);
      const tenant = (await response.json()) as { readonly etag: string };
      expect(tenant).to.include({ tenantId: tenantA, state });
      expect(response.headers.get('etag')).to.equal(`"${tenant.etag}"`);
      const shown = await fetch(`${world.url}/v1/tenants/${tenantA}`, { headers: admin });
      expect(await shown.json()).to.deep.equal(tenant);
    }
  });

  it('is for the platform alone: not even for the administrator of the tenant', async () => {
    for (const role of ['clinician', 'tenant_admin']) {
      const headers = await world.bearer({ roles: [role] });
      for (const method of ['POST', 'DELETE']) {
        await expectProblem(await fetch(url, { method, headers }), 403, 'PERMISSION_DENIED');
      }
    }
    expect(world.state.tenants.get(tenantA)?.state).to.equal(TenantState.ACTIVE);
  });

  it('is not for a tenant that leaves or has left, nor for one that is not there', async () => {
    for (const [state, name] of [
      [TenantState.OFFBOARDING, 'OFFBOARDING'],
      [TenantState.OFFBOARDED, 'OFFBOARDED'],
    ] as const) {
      addTenant(world.state, tenantA, { state });
      for (const method of ['POST', 'DELETE']) {
        await expectProblem(await fetch(url, { method, headers: admin }), 409, 'TENANT_STATE_CONFLICT');
      }
      const shown = await fetch(`${world.url}/v1/tenants/${tenantA}`, { headers: admin });
      expect(await shown.json()).to.include({ state: name });
    }
    for (const id of [uuidv7(), 'nonsense', '%00', '..%2f..', `${tenantA}%0d%0aX-Injected:%201`]) {
      const other = `${world.url}/v1/tenants/${id}/suspension`;
      await expectProblem(await fetch(other, { method: 'POST', headers: admin }), 404, 'TENANT_NOT_FOUND');
    }
  });

  it('shows a state that is not known here as one in which the tenant is not used', async () => {
    addTenant(world.state, tenantA, { state: 99 as TenantState });
    const shown = await fetch(`${world.url}/v1/tenants/${tenantA}`, { headers: admin });
    expect(await shown.json()).to.include({ state: 'SUSPENDED' });
  });

  it('takes no body, an empty object, and nothing else', async () => {
    expect((await postJson(url, admin, '')).status).to.equal(200);
    expect((await postJson(url, admin, {})).status).to.equal(200);
    const json = { ...admin, 'content-type': 'application/json' };
    expect((await fetch(url, { method: 'DELETE', headers: json, body: '{}' })).status).to.equal(200);
    const problem = await expectProblem(await postJson(url, admin, { until: 'tomorrow' }), 400, 'UNKNOWN_FIELD');
    expect(problem.errors).to.deep.equal([{ field: 'until', detail: 'is not a field of this' }]);
    const others: [Record<string, string>, string | FormData, number, string][] = [
      [{ 'content-type': 'application/json' }, '[]', 400, 'INVALID_ARGUMENT'],
      [{ 'content-type': 'application/json' }, '{', 400, 'MALFORMED_JSON'],
      [{ 'content-type': 'application/json' }, ' '.repeat(20_000), 413, 'BODY_TOO_LARGE'],
      [{ 'content-type': 'text/plain' }, 'x', 415, 'UNSUPPORTED_MEDIA_TYPE'],
      [{}, new FormData(), 415, 'UNSUPPORTED_MEDIA_TYPE'],
      [{ 'content-type': 'application/json', 'content-encoding': 'gzip' }, '{}', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ];
    for (const [headers, body, status, reason] of others) {
      const response = await fetch(url, { method: 'POST', headers: { ...admin, ...headers }, body });
      await expectProblem(response, status, reason);
    }
  });
});
