import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import type { PassLoop } from '@wardstone/db';
import { AppError } from '@wardstone/rpc';
import { KeyPurpose } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { KeyRotationCause, KeyRotationState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { TenantWorkKind } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { openSoftwareKms } from '../src/adapters/software-kms.ts';
import { usesPerLease, rotateAtUses } from '../src/domain/key-uses.ts';
import { createLifecycleDriver } from '../src/lifecycle/driver.ts';
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

const keyMaxAgeMs = 60_000;
const rotationMinIntervalMs = 3_600_000;

describe('key rotation', () => {
  const auditor = recordingAuditor();
  let opened: Awaited<ReturnType<typeof openTenants>>;
  let harness: Harness;
  let driver: PassLoop;
  let dir: string;
  let clockMs = Date.now();
  let kmsCalls = 0;

  before(async function () {
    this.timeout(60_000);
    dir = await mkdtemp(join(tmpdir(), 'wardstone-kms-'));
    const software = await openSoftwareKms({ dir });
    const kms: KeyManagementService = {
      ...software,
      generateDataKey: (request) => {
        kmsCalls += 1;
        return software.generateDataKey(request);
      },
    };
    opened = await openTenants();
    harness = await openHarness({
      ...opened,
      kms,
      auditor,
      keyMaxAgeMs,
      rotationMinIntervalMs,
      now: () => new Date(clockMs),
    });
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
    auditor.away = false;
  });

  const newTenant = async (): Promise<string> => {
    const { tenant } = await harness.as('gateway', platformAdmin).createTenant({ displayName: 'Rotating' });
    return tenant?.tenantId ?? '';
  };
  const admin = (tenantId: string) => harness.as('gateway', userOf(tenantId, 'tenant_admin'));
  const service = (name: string, tenantId: string) => harness.as(name, systemPrincipal(name, tenantId));
  const holder = (name: string) => harness.as(name, { ...systemPrincipal(name, uuidv7()), tenantId: undefined });
  const content = { purpose: KeyPurpose.CONTENT };
  const workOf = async (name: string, tenantId: string) => {
    const { work } = await holder(name).listTenantWork({});
    return work.filter((piece) => piece.tenantId === tenantId);
  };

  it('makes a version that new writes use at once, while the older one still opens', async () => {
    const tenantId = await newTenant();
    const old = await service('retrieval', tenantId).getDataKeys(content);
    const { rotation } = await admin(tenantId).startKeyRotation({});
    expect(rotation).to.include({ tenantId, keyVersion: 2, state: KeyRotationState.RESEALING, requestedBy: 'user-1' });
    expect(rotation?.cause).to.equal(KeyRotationCause.REQUESTED);
    const now = await service('retrieval', tenantId).getDataKeys(content);
    expect([now.dataKey?.version, now.currentVersion]).to.deep.equal([2, 2]);
    expect(now.dataKey?.key).not.to.deep.equal(old.dataKey?.key);
    const again = await service('retrieval', tenantId).getDataKeys({ ...content, version: 1 });
    expect(again.dataKey?.key).to.deep.equal(old.dataKey?.key);
    expect(auditor.events.map(({ action }) => action)).to.include('key-rotation.create');
  });

  it('begins once per id, and one at a time', async () => {
    const tenantId = await newTenant();
    const rotationId = uuidv7();
    const begun = await Promise.all(Array.from({ length: 5 }, () => admin(tenantId).startKeyRotation({ rotationId })));
    for (const { rotation } of begun) expect(rotation).to.deep.equal(begun[0]?.rotation);
    expect(await reasonOf(admin(tenantId).startKeyRotation({}))).to.equal('KEY_ROTATION_IN_PROGRESS');
    const { tenant } = await admin(tenantId).getTenant({});
    expect(tenant?.keyVersion).to.equal(2);
  });

  it('hands out work when no write can still be under the older version, to its holders only', async () => {
    const tenantId = await newTenant();
    const { rotation } = await admin(tenantId).startKeyRotation({});
    expect(await workOf('retrieval', tenantId)).to.deep.equal([]);
    clockMs += keyMaxAgeMs;
    const [piece] = await workOf('retrieval', tenantId);
    expect(piece).to.include({ workId: rotation?.rotationId, kind: TenantWorkKind.RESEAL, keyVersion: 2 });
    expect(await workOf('ingestion', tenantId)).to.have.length(1);
    expect(await workOf('llm', tenantId)).to.have.length(1);
    expect(await reasonOf(holder('embedding').listTenantWork({}))).to.equal('CALLER_NOT_ACCEPTED');
  });

  it('gives its work to a service that came to hold values after it was begun', async () => {
    const tenantId = await newTenant();
    await admin(tenantId).startKeyRotation({});
    await opened.test.query(`delete from tenant_key.tenant_work where tenant_id = $1 and holder = 'llm'`, [tenantId]);
    clockMs += keyMaxAgeMs;
    const finish = async (name: string): Promise<void> => {
      const [piece] = await workOf(name, tenantId);
      await service(name, tenantId).reportTenantWork({ workId: piece?.workId ?? '', documentsLeft: 0n });
    };
    for (const name of ['ingestion', 'retrieval']) await finish(name);
    await driver.pass();
    expect((await admin(tenantId).getKeyRotation({})).rotation?.state).to.equal(KeyRotationState.RESEALING);
    await finish('llm');
    await driver.pass();
    expect((await admin(tenantId).getKeyRotation({})).rotation?.state).to.equal(KeyRotationState.COMPLETED);
  });

  it('retires older versions when every holder is done, and not before', async () => {
    const tenantId = await newTenant();
    await admin(tenantId).startKeyRotation({});
    clockMs += keyMaxAgeMs;
    const report = async (name: string, documentsDone: bigint, documentsLeft: bigint): Promise<void> => {
      const [piece] = await workOf(name, tenantId);
      await service(name, tenantId).reportTenantWork({ workId: piece?.workId ?? '', documentsDone, documentsLeft });
    };
    await report('retrieval', 5n, 3n);
    await report('ingestion', 8n, 0n);
    await report('llm', 2n, 0n);
    await driver.pass();
    const { rotation: half } = await admin(tenantId).getKeyRotation({});
    expect(half?.progress.map(({ holder: name, done, documentsDone }) => [name, done, documentsDone])).to.deep.equal([
      ['ingestion', true, 8n],
      ['llm', true, 2n],
      ['retrieval', false, 5n],
    ]);
    expect(half?.state).to.equal(KeyRotationState.RESEALING);
    await service('retrieval', tenantId).getDataKeys({ ...content, version: 1 });

    await report('retrieval', 3n, 0n);
    await driver.pass();
    await driver.pass();
    const { rotation: whole } = await admin(tenantId).getKeyRotation({ rotationId: half?.rotationId ?? '' });
    expect(whole?.state).to.equal(KeyRotationState.COMPLETED);
    expect(whole?.progress.map(({ documentsDone }) => documentsDone)).to.deep.equal([8n, 2n, 8n]);
    // This process may hold the key for its lifetime; who asks the store does not get it.
    harness.forgetKeys(tenantId);
    expect(await reasonOf(service('retrieval', tenantId).getDataKeys({ ...content, version: 1 }))).to.equal(
      'KEY_VERSION_RETIRED',
    );
    expect(auditor.events.filter(({ action }) => action === 'key-rotation.complete')).to.have.length(1);
    clockMs += rotationMinIntervalMs;
    const { rotation: next } = await admin(tenantId).startKeyRotation({});
    expect(next?.keyVersion).to.equal(3);
  });

  describe('too soon after the last one', () => {
    const complete = async (tenantId: string): Promise<void> => {
      clockMs += keyMaxAgeMs;
      for (const name of ['ingestion', 'retrieval', 'llm']) {
        const [piece] = await workOf(name, tenantId);
        await service(name, tenantId).reportTenantWork({ workId: piece?.workId ?? '' });
      }
      await driver.pass();
    };
    const refusal = (tenantId: string): Promise<AppError> =>
      admin(tenantId)
        .startKeyRotation({})
        .then(() => Promise.reject(new Error('it was begun')), AppError.from);

    it('is refused with the time to wait, and costs KMS nothing; the rotation that is there is answered all the same', async () => {
      const tenantId = await newTenant();
      const rotationId = uuidv7();
      await admin(tenantId).startKeyRotation({ rotationId });
      await complete(tenantId);
      const asked = kmsCalls;
      const { reason, code, retryAfterMs } = await refusal(tenantId);
      expect({ reason, code, retryAfterMs }).to.deep.equal({
        reason: 'KEY_ROTATION_TOO_SOON',
        code: Code.ResourceExhausted,
        retryAfterMs: rotationMinIntervalMs - keyMaxAgeMs,
      });
      expect(kmsCalls).to.equal(asked);
      expect((await admin(tenantId).startKeyRotation({ rotationId })).rotation).to.include({ keyVersion: 2 });
      clockMs += rotationMinIntervalMs - keyMaxAgeMs - 1;
      expect((await refusal(tenantId)).retryAfterMs).to.equal(1);
      clockMs += 1;
      expect((await admin(tenantId).startKeyRotation({})).rotation).to.include({ keyVersion: 3 });
    });

    it('holds for who asks, not for what the uses force, and that makes nobody wait', async () => {
      const tenantId = await newTenant();
      await admin(tenantId).startKeyRotation({});
      await complete(tenantId);
      await service('retrieval', tenantId).getDataKeys(content);
      await opened.test.query(`update tenant_key.key_use set uses_out = $2 where tenant_id = $1`, [
        tenantId,
        rotateAtUses - 1,
      ]);
      await service('retrieval', tenantId).getDataKeys(content);
      expect((await admin(tenantId).getKeyRotation({})).rotation).to.include({ cause: KeyRotationCause.USE_LIMIT });
      clockMs += rotationMinIntervalMs - keyMaxAgeMs;
      await complete(tenantId);
      expect((await admin(tenantId).startKeyRotation({})).rotation).to.include({ keyVersion: 4 });
    });
  });

  it('takes no report of work that is another holder’s, another tenant’s or nobody’s', async () => {
    const [tenantId, other] = [await newTenant(), await newTenant()];
    const { rotation } = await admin(tenantId).startKeyRotation({});
    const report = { workId: rotation?.rotationId ?? '', documentsDone: 1n, documentsLeft: 0n };
    expect(await reasonOf(service('retrieval', other).reportTenantWork(report))).to.equal('WORK_NOT_FOUND');
    expect(await reasonOf(service('retrieval', tenantId).reportTenantWork({ ...report, workId: uuidv7() }))).to.equal(
      'WORK_NOT_FOUND',
    );
    expect(await reasonOf(admin(tenantId).reportTenantWork(report))).to.equal('CALLER_NOT_ACCEPTED');
    const { rotation: seen } = await admin(tenantId).getKeyRotation({});
    expect(seen?.progress.every(({ done }) => !done)).to.equal(true);
  });

  it('is another tenant’s business to nobody, and a clinician’s to none', async () => {
    const [tenantId, other] = [await newTenant(), await newTenant()];
    await admin(tenantId).startKeyRotation({});
    const theirs = [
      admin(other).startKeyRotation({ tenantId }),
      admin(other).getKeyRotation({ tenantId }),
      admin(uuidv7()).getKeyRotation({}),
    ];
    expect(await Promise.all(theirs.map(reasonOf))).to.deep.equal([
      'TENANT_NOT_FOUND',
      'TENANT_NOT_FOUND',
      'KEY_ROTATION_NOT_FOUND',
    ]);
    const clinician = harness.as('gateway', userOf(tenantId));
    expect(await reasonOf(clinician.startKeyRotation({}))).to.equal('PERMISSION_DENIED');
  });

  it('commits nothing without its audit event', async () => {
    const tenantId = await newTenant();
    auditor.away = true;
    expect(await reasonOf(admin(tenantId).startKeyRotation({}))).to.equal('AUDIT_UNAVAILABLE');
    auditor.away = false;
    const { tenant } = await admin(tenantId).getTenant({});
    expect(tenant?.keyVersion).to.equal(1);
    expect(await reasonOf(admin(tenantId).getKeyRotation({}))).to.equal('KEY_ROTATION_NOT_FOUND');
  });

  describe('counted uses', () => {
    const usesOut = async (tenantId: string, version: number): Promise<number> => {
      const [row] = await opened.test.query(
        `select uses_out from tenant_key.key_use where tenant_id = $1 and purpose = 'content' and version = $2`,
        [tenantId, version],
      );
      return Number(row?.['uses_out'] ?? 0);
    };

    it('are leased to who seals, and what was not used comes back', async () => {
      const tenantId = await newTenant();
      const first = await service('ingestion', tenantId).getDataKeys(content);
      expect(first.maxUses).to.equal(usesPerLease);
      await service('retrieval', tenantId).getDataKeys(content);
      expect(await usesOut(tenantId, 1)).to.equal(2 * usesPerLease);
      const unused = { ...content, unusedUses: usesPerLease - 10, unusedVersion: 1 };
      await service('ingestion', tenantId).getDataKeys(unused);
      expect(await usesOut(tenantId, 1)).to.equal(2 * usesPerLease + 10);
    });

    it('come back from who was given them, and no more than that, of each version and purpose', async () => {
      const tenantId = await newTenant();
      for (let lease = 0; lease < 3; lease += 1) await service('ingestion', tenantId).getDataKeys(content);
      const everything = { ...content, unusedUses: 2 ** 31 - 1, unusedVersion: 1 };
      // Given nothing yet; then all of its one lease; then no more than that again.
      for (let call = 0; call < 3; call += 1) {
        await service('retrieval', tenantId).getDataKeys(everything);
        expect(await usesOut(tenantId, 1)).to.equal(4 * usesPerLease);
      }
      await service('ingestion', tenantId).getDataKeys({ ...everything, purpose: KeyPurpose.OBJECTS });
      expect(await usesOut(tenantId, 1), 'another purpose').to.equal(4 * usesPerLease);
      await service('ingestion', tenantId).getDataKeys(everything);
      expect(await usesOut(tenantId, 1)).to.equal(2 * usesPerLease);
    });

    it('are counted once each when many give back at once', async () => {
      const tenantId = await newTenant();
      await service('ingestion', tenantId).getDataKeys(content);
      const unused = { ...content, unusedUses: usesPerLease, unusedVersion: 1 };
      await Promise.all(Array.from({ length: 8 }, () => service('ingestion', tenantId).getDataKeys(unused)));
      expect(await usesOut(tenantId, 1)).to.equal(usesPerLease);
    });

    it('are not counted for who opens, nor given back to another version', async () => {
      const tenantId = await newTenant();
      const opening = await service('retrieval', tenantId).getDataKeys({ ...content, version: 1 });
      expect([opening.maxUses, await usesOut(tenantId, 1)]).to.deep.equal([0, 0]);
      await admin(tenantId).startKeyRotation({});
      await service('retrieval', tenantId).getDataKeys(content);
      await service('retrieval', tenantId).getDataKeys({ ...content, unusedUses: 1_000, unusedVersion: 1 });
      expect(await usesOut(tenantId, 2)).to.equal(2 * usesPerLease);
    });

    it('force a rotation at half of the bound of AES-GCM', async () => {
      const tenantId = await newTenant();
      await service('retrieval', tenantId).getDataKeys(content);
      await opened.test.query(`update tenant_key.key_use set uses_out = $2 where tenant_id = $1`, [
        tenantId,
        rotateAtUses - 1,
      ]);
      await service('retrieval', tenantId).getDataKeys(content);
      const { rotation } = await admin(tenantId).getKeyRotation({});
      expect(rotation).to.include({ cause: KeyRotationCause.USE_LIMIT, keyVersion: 2 });
      const next = await service('retrieval', tenantId).getDataKeys(content);
      expect(next.dataKey?.version).to.equal(2);
    });

    it('are given to nobody beyond the bound', async () => {
      const tenantId = await newTenant();
      await service('retrieval', tenantId).getDataKeys(content);
      await opened.test.query(`update tenant_key.key_use set uses_out = $2 where tenant_id = $1`, [tenantId, 2 ** 32]);
      expect(await reasonOf(service('retrieval', tenantId).getDataKeys(content))).to.equal('KEY_UNAVAILABLE');
    });
  });
});
