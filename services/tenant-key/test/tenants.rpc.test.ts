import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { v4 as uuidv4, v7 as uuidv7 } from 'uuid';
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

describe('tenants', () => {
  const auditor = recordingAuditor();
  let opened: Awaited<ReturnType<typeof openTenants>>;
  let kms: KeyManagementService;
  let harness: Harness;
  let dir: string;

  before(async function () {
    this.timeout(60_000);
    dir = await mkdtemp(join(tmpdir(), 'wardstone-kms-'));
    kms = await openSoftwareKms({ dir });
    opened = await openTenants();
    harness = await openHarness({ ...opened, kms, auditor });
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

  const admin = () => harness.as('gateway', platformAdmin);
  const rows = async (table: string, tenantId: string): Promise<number> => {
    const found = await opened.test.query(`select from tenant_key.${table} where tenant_id = $1`, [tenantId]);
    return found.length;
  };

  it('are made with defaults and a wrapped key, and leave an event', async () => {
    const { tenant } = await admin().createTenant({ displayName: ' Klinik Süd ' });
    expect(tenant?.displayName).to.equal('Klinik Süd');
    expect(tenant?.settings).to.include({ chunkSizeChars: 1000, chunkOverlapChars: 150 });
    expect([tenant?.keyVersion, tenant?.state]).to.deep.equal([1, 1]);
    expect(tenant?.tenantId).to.match(/^[0-9a-f-]{14}7/);
    const { tenant: read } = await admin().getTenant({ tenantId: tenant?.tenantId ?? '' });
    expect(read).to.deep.equal(tenant);
    expect(auditor.events.map(({ action }) => action)).to.deep.equal(['tenant.create', 'tenant.read']);
    expect(await rows('data_key', tenant?.tenantId ?? '')).to.equal(1);
  });

  it('are made once however often the call is repeated, also at the same time', async () => {
    const request = { tenantId: uuidv7(), displayName: 'Once', settings: { chunkSizeChars: 400 } };
    const made = await Promise.all(Array.from({ length: 5 }, () => admin().createTenant(request)));
    const again = await admin().createTenant({ ...request, tenantId: request.tenantId.toUpperCase() });
    for (const { tenant } of made) expect(tenant).to.deep.equal(again.tenant);
    expect(await rows('data_key', request.tenantId)).to.equal(1);
  });

  it('are not made again under another name or with other settings', async () => {
    const tenantId = uuidv7();
    await admin().createTenant({ tenantId, displayName: 'One' });
    const other = admin().createTenant({ tenantId, displayName: 'Two' });
    expect(await reasonOf(other)).to.equal('TENANT_ALREADY_EXISTS');
    const settings = admin().createTenant({ tenantId, displayName: 'One', settings: { chunkSizeChars: 500 } });
    expect(await reasonOf(settings)).to.equal('TENANT_ALREADY_EXISTS');
  });

  it('are refused with an id of another version, an empty name, and settings that do not fit', async () => {
    const wrong = [
      { tenantId: uuidv4(), displayName: 'x' },
      { tenantId: 'x', displayName: 'x' },
      { displayName: '' },
      { displayName: ' ' },
      { displayName: 'x'.repeat(201) },
      { displayName: 'x', settings: { chunkSizeChars: 400, chunkOverlapChars: 201 } },
      { displayName: 'x', settings: { chunkSizeChars: 8001 } },
    ];
    for (const request of wrong) {
      expect(await reasonOf(admin().createTenant(request)), JSON.stringify(request)).to.equal('INVALID_ARGUMENT');
    }
  });

  it('are not half there when the key, the audit or the process fails in between, and the repeat succeeds', async () => {
    const request = { tenantId: uuidv7(), displayName: 'Crash' };
    const away: KeyManagementService = {
      ...kms,
      generateDataKey: () => Promise.reject(new AppError('KEY_UNAVAILABLE')),
    };
    const without = await openHarness({ ...opened, kms: away, auditor });
    expect(await reasonOf(without.as('gateway', platformAdmin).createTenant(request))).to.equal('KEY_UNAVAILABLE');
    await without.close();
    auditor.away = true;
    expect(await reasonOf(admin().createTenant(request))).to.equal('AUDIT_UNAVAILABLE');
    expect([await rows('tenant', request.tenantId), await rows('data_key', request.tenantId)]).to.deep.equal([0, 0]);
    expect(await reasonOf(admin().getTenant({ tenantId: request.tenantId }))).to.equal('TENANT_NOT_FOUND');
    auditor.away = false;
    const { tenant } = await admin().createTenant(request);
    expect(tenant?.displayName).to.equal('Crash');
  });

  it('are seen by their own people and services, and another’s looks like one that never was', async () => {
    const [one, two] = [uuidv7(), uuidv7()];
    await admin().createTenant({ tenantId: one, displayName: 'One' });
    await admin().createTenant({ tenantId: two, displayName: 'Two' });
    for (const role of ['tenant_admin', 'clinician', 'analyst', 'builder', 'auditor']) {
      const { tenant } = await harness.as('gateway', userOf(one, role)).getTenant({});
      expect(tenant?.displayName).to.equal('One');
    }
    const { tenant } = await harness.as('ingestion', systemPrincipal('ingestion', one)).getTenant({ tenantId: one });
    expect(tenant?.displayName).to.equal('One');
    const errors = await Promise.all(
      [two, uuidv7()].map((tenantId) =>
        harness
          .as('gateway', userOf(one))
          .getTenant({ tenantId })
          .catch((error: unknown) => AppError.from(error)),
      ),
    );
    const [foreign, missing] = errors.map((error) => error instanceof AppError && [error.reason, error.message]);
    expect(foreign).to.deep.equal(missing);
    expect(foreign).to.deep.include('TENANT_NOT_FOUND');
    expect(await reasonOf(admin().getTenant({}))).to.equal('TENANT_REQUIRED');
  });

  it('are made and listed by the platform alone', async () => {
    const client = harness.as('gateway', userOf(uuidv7(), 'tenant_admin'));
    expect(await reasonOf(client.createTenant({ displayName: 'x' }))).to.equal('PERMISSION_DENIED');
    expect(await reasonOf(client.listTenants({}))).to.equal('PERMISSION_DENIED');
    const system = harness.as('ingestion', systemPrincipal('ingestion', uuidv7()));
    expect(await reasonOf(system.listTenants({}))).to.equal('CALLER_NOT_ACCEPTED');
  });

  it('are listed newest first, page by page, each once', async () => {
    for (let made = 0; made < 5; made += 1) await admin().createTenant({ displayName: `Listed ${String(made)}` });
    const seen: { id: string; at: bigint }[] = [];
    let pageToken = '';
    do {
      const page = await admin().listTenants({ pageSize: 2, pageToken });
      for (const { tenantId, createdAt } of page.tenants) seen.push({ id: tenantId, at: createdAt?.seconds ?? 0n });
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    const all = await opened.test.query('select from tenant_key.tenant');
    expect(new Set(seen.map(({ id }) => id)).size).to.equal(all.length);
    expect(seen.every(({ at }, index) => index === 0 || at <= (seen[index - 1]?.at ?? 0n))).to.equal(true);
    const names = (await admin().listTenants({ pageSize: 5 })).tenants.map(({ displayName }) => displayName);
    expect(names[0]).to.equal('Listed 4');
  });

  it('refuse page tokens that were made up', async () => {
    const made = Buffer.from(JSON.stringify({ v: 1, createdAtMs: 'x', tenantId: uuidv7() })).toString('base64url');
    for (const pageToken of ['x', '!!', made]) {
      expect(await reasonOf(admin().listTenants({ pageToken }))).to.equal('PAGE_TOKEN_INVALID');
    }
  });

  it('say that the database is away when it is, and go on when it is back', async () => {
    const refusal = await opened.test.refuseConnections();
    try {
      expect(await reasonOf(admin().createTenant({ displayName: 'Away' }))).to.equal('DATABASE_UNAVAILABLE');
    } finally {
      await refusal.accept();
    }
    expect((await admin().createTenant({ displayName: 'Back' })).tenant?.displayName).to.equal('Back');
  });
});
