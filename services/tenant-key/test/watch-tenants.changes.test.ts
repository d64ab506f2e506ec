import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { WatchTenantsResponse } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { openSoftwareKms } from '../src/adapters/software-kms.ts';
import {
  openHarness,
  openTenants,
  platformAdmin,
  reasonOf,
  recordingAuditor,
  systemPrincipal,
  userOf,
  type Harness,
} from './support.ts';

describe('watching tenants', () => {
  let opened: Awaited<ReturnType<typeof openTenants>>;
  let harness: Harness;
  let dir: string;

  before(async function () {
    this.timeout(60_000);
    dir = await mkdtemp(join(tmpdir(), 'wardstone-kms-'));
    opened = await openTenants();
    harness = await openHarness({ ...opened, kms: await openSoftwareKms({ dir }), auditor: recordingAuditor() });
  });
  after(async () => {
    await harness.close();
    await opened.database.close();
    await opened.test.drop();
    await rm(dir, { recursive: true, force: true });
  });

  const admin = () => harness.as('gateway', platformAdmin);
  const newTenant = async (): Promise<string> =>
    (await admin().createTenant({ displayName: 'Watched' })).tenant?.tenantId ?? '';
  const watch = (name: string) => {
    const service = harness.as(name, { ...systemPrincipal(name, uuidv7()), tenantId: undefined });
    return service.watchTenants({})[Symbol.asyncIterator]();
  };

  /** The next message about one of these tenants, or about the stream. */
  async function next(stream: AsyncIterator<WatchTenantsResponse>, of: readonly string[]) {
    for (;;) {
      const step = await stream.next();
      if (step.done === true) throw new Error('the stream has ended');
      const { event } = step.value;
      if (event.case !== 'tenant' || of.includes(event.value.tenantId)) return event;
    }
  }

  it('begins with the tenants that are closed, and goes on with every change', async () => {
    const [closed, open] = [await newTenant(), await newTenant()];
    await admin().suspendTenant({ tenantId: closed });
    const stream = watch('retrieval');
    const both = [closed, open];
    expect((await next(stream, both)).value).to.include({ tenantId: closed, state: TenantState.SUSPENDED });
    expect((await next(stream, both)).case).to.equal('snapshotComplete');

    await admin().suspendTenant({ tenantId: open });
    expect((await next(stream, both)).value).to.include({ tenantId: open, state: TenantState.SUSPENDED });
    await admin().resumeTenant({ tenantId: closed });
    expect((await next(stream, both)).value).to.include({ tenantId: closed, state: TenantState.ACTIVE });
    await harness.as('gateway', userOf(closed, 'tenant_admin')).startKeyRotation({});
    expect((await next(stream, both)).value).to.include({ tenantId: closed, keyVersion: 2 });
    await stream.return?.();
  });

  it('is for services, and shows a person nothing', async () => {
    expect(await reasonOf(watch('gateway').next())).to.equal('CALLER_NOT_ACCEPTED');
  });

  it('follows a suspension that is repeated, and refuses one of a tenant that never was', async () => {
    const tenantId = await newTenant();
    const [one, two] = [await admin().suspendTenant({ tenantId }), await admin().suspendTenant({ tenantId })];
    expect(one.tenant).to.deep.equal(two.tenant);
    expect(await reasonOf(admin().suspendTenant({ tenantId: uuidv7() }))).to.equal('TENANT_NOT_FOUND');
    const own = harness.as('gateway', userOf(tenantId, 'tenant_admin'));
    expect(await reasonOf(own.resumeTenant({ tenantId }))).to.equal('PERMISSION_DENIED');
  });
});
