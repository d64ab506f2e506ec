import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyPurposes } from '@wardstone/crypto';
import { KeyPurpose } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { openSoftwareKms } from '../src/adapters/software-kms.ts';
import type { KeyManagementService } from '../src/ports.ts';
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

// As in the architecture, written out once more on purpose.
const allowed: Record<string, string[]> = {
  ingestion: ['objects', 'content'],
  embedding: ['objects'],
  retrieval: ['objects', 'content', 'terms', 'vectors'],
  llm: ['history'],
};
const wire = [
  KeyPurpose.OBJECTS,
  KeyPurpose.CONTENT,
  KeyPurpose.TERMS,
  KeyPurpose.VECTORS,
  KeyPurpose.HISTORY,
] as const;

describe('data keys', () => {
  const auditor = recordingAuditor();
  const tenantId = uuidv7();
  const otherTenantId = uuidv7();
  let opened: Awaited<ReturnType<typeof openTenants>>;
  let harness: Harness;
  let dir: string;
  let unwrapped = 0;

  before(async function () {
    this.timeout(60_000);
    dir = await mkdtemp(join(tmpdir(), 'wardstone-kms-'));
    const software = await openSoftwareKms({ dir });
    const kms: KeyManagementService = {
      ...software,
      decrypt: (request) => {
        unwrapped += 1;
        return software.decrypt(request);
      },
    };
    opened = await openTenants();
    harness = await openHarness({ ...opened, kms, auditor });
    const admin = harness.as('gateway', platformAdmin);
    await admin.createTenant({ tenantId, displayName: 'One' });
    await admin.createTenant({ tenantId: otherTenantId, displayName: 'Two' });
  });
  after(async () => {
    await harness.close();
    await opened.database.close();
    await opened.test.drop();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    auditor.events.length = 0;
    auditor.away = false;
  });

  const ask = (service: string, purpose: (typeof wire)[number], version = 0, tenant = tenantId) =>
    harness.as(service, systemPrincipal(service, tenant)).getDataKeys({ purpose, version });

  for (const service of Object.keys(allowed)) {
    for (const [index, purpose] of keyPurposes.entries()) {
      const may = allowed[service]?.includes(purpose) === true;
      it(`${service} ${may ? 'gets' : 'does not get'} ${purpose}`, async () => {
        const work = ask(service, wire[index] ?? KeyPurpose.OBJECTS);
        if (may) {
          const { dataKey, currentVersion, maxAgeSeconds } = await work;
          expect([dataKey?.key.length, dataKey?.version, currentVersion, maxAgeSeconds]).to.deep.equal([32, 1, 1, 60]);
        } else {
          expect(await reasonOf(work)).to.equal('PERMISSION_DENIED');
        }
        expect(auditor.events).to.have.length(1);
        expect(auditor.events[0]).to.deep.include({
          action: 'data-key.read',
          resourceIds: [tenantId],
          outcome: may ? 'success' : 'denied',
          subject: `service:${service}`,
        });
        expect(auditor.events[0]?.attributes).to.include({ peer: service, purpose });
      });
    }
  }

  for (const service of ['gateway', 'audit']) {
    it(`${service} gets no key at all`, async () => {
      for (const purpose of wire) expect(await reasonOf(ask(service, purpose))).to.equal('CALLER_NOT_ACCEPTED');
    });
  }

  it('are not for people or clients, whatever their role', async () => {
    for (const role of ['tenant_admin', 'clinician', 'builder']) {
      for (const client of [true, false]) {
        const token = await harness.token({ tenantId, roles: [role], client });
        const work = harness.withToken(token).getDataKeys({ purpose: KeyPurpose.OBJECTS });
        expect(await reasonOf(work)).to.equal('CALLER_NOT_ACCEPTED');
      }
    }
  });

  it('are the tenant’s own: the same again for it, another for every tenant and purpose', async () => {
    const hex = (answer: Awaited<ReturnType<typeof ask>>): string =>
      Buffer.from(answer.dataKey?.key ?? []).toString('hex');
    const first = hex(await ask('retrieval', KeyPurpose.OBJECTS));
    expect(hex(await ask('ingestion', KeyPurpose.OBJECTS, 1))).to.equal(first);
    const others = [
      hex(await ask('retrieval', KeyPurpose.CONTENT)),
      hex(await ask('retrieval', KeyPurpose.OBJECTS, 0, otherTenantId)),
    ];
    expect(new Set([first, ...others]).size).to.equal(3);
  });

  it('serve a user’s request by the service’s right, not the user’s', async () => {
    const client = harness.as('retrieval', userOf(tenantId, 'analyst'));
    const { dataKey } = await client.getDataKeys({ purpose: KeyPurpose.CONTENT });
    expect(dataKey?.key.length).to.equal(32);
    expect(auditor.events[0]?.subject).to.equal('user-1');
  });

  it('have no version that was not made, no tenant that was not made, and no purpose that is not one', async () => {
    expect(await reasonOf(ask('ingestion', KeyPurpose.OBJECTS, 2))).to.equal('KEY_VERSION_NOT_FOUND');
    expect(await reasonOf(ask('ingestion', KeyPurpose.OBJECTS, -1))).to.equal('INVALID_ARGUMENT');
    expect(await reasonOf(ask('ingestion', KeyPurpose.OBJECTS, 0, uuidv7()))).to.equal('TENANT_NOT_FOUND');
    const client = harness.as('ingestion', systemPrincipal('ingestion', tenantId));
    expect(await reasonOf(client.getDataKeys({}))).to.equal('INVALID_ARGUMENT');
    const platform = harness.as('ingestion', { ...platformAdmin, kind: 'service', roles: ['service'] });
    const asked = platform.getDataKeys({ purpose: KeyPurpose.OBJECTS });
    expect(await reasonOf(asked)).to.equal('PERMISSION_DENIED');
  });

  it('are not given out when the event cannot be recorded', async () => {
    auditor.away = true;
    expect(await reasonOf(ask('ingestion', KeyPurpose.OBJECTS))).to.equal('AUDIT_UNAVAILABLE');
    expect(await reasonOf(ask('ingestion', KeyPurpose.HISTORY))).to.equal('PERMISSION_DENIED');
  });

  it('are unwrapped once for a thousand requests at once', async () => {
    const cold = uuidv7();
    await harness.as('gateway', platformAdmin).createTenant({ tenantId: cold, displayName: 'Cold' });
    unwrapped = 0;
    const keys = await Promise.all(Array.from({ length: 1_000 }, () => harness.deps.keys.version(cold, 'objects', 1)));
    expect(new Set(keys.map(({ key }) => Buffer.from(key).toString('hex'))).size).to.equal(1);
    await Promise.all(Array.from({ length: 20 }, () => ask('embedding', KeyPurpose.OBJECTS, 0, cold)));
    expect(unwrapped).to.equal(1);
  });

  it('stay in their tenant’s rows: row-level security hides them from every other transaction', async () => {
    const { database } = opened;
    const count = async (work: Promise<unknown>): Promise<number> => ((await work) as unknown[]).length;
    const select = 'select tenant_id from data_key';
    expect(await count(database.inTenant(tenantId, (tx) => tx.query(select)))).to.equal(1);
    expect(await count(database.inPlatform((tx) => tx.query(select)))).to.equal(0);
    const tenants = 'select tenant_id from tenant';
    expect(await count(database.inTenant(tenantId, (tx) => tx.query(tenants)))).to.equal(1);
    expect(await count(database.inPlatform((tx) => tx.query(tenants)))).to.be.greaterThan(1);
    const update = database.inPlatform((tx) => tx.query(`update tenant set display_name = 'x' returning tenant_id`));
    expect(((await update) as [unknown[], number])[1]).to.equal(0);
  });
});
