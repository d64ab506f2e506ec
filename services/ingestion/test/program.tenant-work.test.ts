import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantWorkKind } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { as, tenantA, tenantB } from './support/harness.ts';
import { openProgram, type Program } from './support/program.ts';
import { reasonOf, upload } from './support/upload.ts';

const settleMs = 60_000;

describe("the ingestion program and its tenants' lifecycle", () => {
  let program: Program;
  before(async function () {
    this.timeout(120_000);
    program = await openProgram();
    await program.start();
  });
  after(() => program.close());

  const get = (documentId: string, tenantId = tenantA) => program.client.getDocument({ documentId }, as(tenantId));
  const finished = (workId: string) =>
    eventually(
      () => program.tenantKey.reports.some((report) => report.workId === workId && report.documentsLeft === 0n),
      { timeoutMs: settleMs, description: 'the last report' },
    );

  it('seals again what tenant-key asks for, refuses a tenant that is closed, and removes it', async () => {
    const { tenantKey } = program;
    const { documentId } = await upload(program, 'words');
    const other = await upload(program, 'words', { tenantId: tenantB });
    await eventually(async () => (await get(documentId)).document?.state === DocumentState.READY, {
      timeoutMs: settleMs,
      description: 'READY',
    });

    tenantKey.currentVersion = 2;
    tenantKey.announce(tenantA, TenantState.ACTIVE);
    const rotation = uuidv7();
    const settledAt = timestampFromDate(new Date());
    const reseal = { workId: rotation, tenantId: tenantA, kind: TenantWorkKind.RESEAL, keyVersion: 2, settledAt };
    tenantKey.work = [reseal];
    await finished(rotation);
    tenantKey.work = [];
    const select = 'select key_version from ingestion.document where tenant_id = $1';
    expect(await program.database.query(select, [tenantA])).to.deep.equal([{ key_version: 2 }]);
    expect((await get(documentId)).document?.title).to.equal('note');

    tenantKey.announce(tenantA, TenantState.SUSPENDED);
    await eventually(async () => (await reasonOf(get(documentId))) === 'TENANT_SUSPENDED');
    expect(await reasonOf(get(other.documentId, tenantB))).to.equal('none');

    const offboarding = uuidv7();
    tenantKey.work = [{ workId: offboarding, tenantId: tenantA, kind: TenantWorkKind.PURGE }];
    await finished(offboarding);
    expect(await program.database.query(select, [tenantA])).to.deep.equal([]);
    expect(await program.database.query(select, [tenantB])).to.have.length(1);
    const reports = tenantKey.reports.filter(({ workId }) => workId === offboarding);
    expect(reports.map(({ removed }) => removed['documents'] ?? 0n).reduce((a, b) => a + b)).to.equal(1n);
  }).timeout(3 * settleMs);
});
