import { AppError } from '@wardstone/rpc';
import type { WorkStep } from '@wardstone/tenancy';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { settle } from '../src/db/documents.ts';
import { purgeStep } from '../src/tenant-work/purge.ts';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { reasonOf, upload } from './support/upload.ts';

describe('purging a tenant', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());
  beforeEach(() => harness.clear());

  const signal = new AbortController().signal;
  const step = (deps: Partial<Harness['deps']> = {}): Promise<WorkStep> =>
    purgeStep({ ...harness.deps, ...deps })({ tenantId: tenantA }, signal);
  const rows = async (): Promise<unknown[]> =>
    (
      await harness.testDatabase.query(
        `select tenant_id from ingestion.document union all select tenant_id from ingestion.idempotency_key`,
      )
    ).map((row) => row['tenant_id']);
  const refOf = (tenantId: string, documentId: string) =>
    ({ tenantId, documentId, version: 1, name: 'original' }) as const;
  /** A flow that is removed is gone; one that runs just now is not. */
  const ended = () => {
    for (const flow of harness.flows.values()) flow.state = 'completed';
  };

  it('removes rows, objects, jobs, keys and orphans of the tenant, without a key, and nothing of another', async () => {
    const ready = await upload(harness, 'words', { idempotencyKey: 'key-1' });
    await harness.database.inTenant(tenantA, (tx) =>
      settle(tx, { documentId: ready.documentId, version: 1 }, { state: 'READY' }),
    );
    const pending = await upload(harness, 'words');
    await harness.objects.writeJsonLines({ ...refOf(tenantA, pending.documentId), name: 'chunks' }, [{}]);
    const orphan = refOf(tenantA, uuidv7());
    await harness.objects.writeJsonLines(orphan, [{}]);
    const other = await upload(harness, 'words', { tenantId: tenantB, idempotencyKey: 'key-1' });
    ended();
    harness.tenants.close(tenantA, 'TENANT_OFFBOARDING');

    const removed = { documents: 2, objects: 4, jobs: 8, idempotency_keys: 1 };
    expect(await step()).to.deep.equal({ documentsDone: 2, documentsLeft: 0, removed });
    expect(await rows()).to.deep.equal([tenantB, tenantB]);
    for (const ref of [refOf(tenantA, ready.documentId), refOf(tenantA, pending.documentId), orphan]) {
      expect(await harness.objects.exists(ref)).to.equal(false);
    }
    expect([...harness.flows.keys()]).to.deep.equal([other.documentId]);
    expect(await harness.objects.exists(refOf(tenantB, other.documentId))).to.equal(true);
    const { document } = await harness.client.getDocument({ documentId: other.documentId }, as(tenantB));
    expect(document?.title).to.equal('note');

    const nothing = { documents: 0, objects: 0, jobs: 0, idempotency_keys: 0 };
    expect(await step(), 'again').to.deep.equal({ documentsDone: 0, documentsLeft: 0, removed: nothing });
  });

  it('takes bounded steps, and reports what is left', async () => {
    await Promise.all(Array.from({ length: 53 }, () => upload(harness, 'words')));
    ended();
    const first = await step();
    expect(first).to.deep.include({ documentsDone: 50, documentsLeft: 3 });
    const second = await step();
    expect(second).to.deep.include({ documentsDone: 3, documentsLeft: 0 });
    expect((first.removed?.['documents'] ?? 0) + (second.removed?.['documents'] ?? 0)).to.equal(53);
    expect(await rows()).to.deep.equal([]);
  });

  it('hides what it removes at once, and goes on after a kill', async () => {
    const ids = [1, 2, 3].map(() => upload(harness, 'words'));
    const documents = await Promise.all(ids);
    ended();
    let removals = 0;
    const objects: Harness['objects'] = {
      ...harness.objects,
      removeDocument: async (...args) => {
        if ((removals += 1) === 3) throw new AppError('OBJECT_STORE_UNAVAILABLE');
        return harness.objects.removeDocument(...args);
      },
    };
    expect(await reasonOf(step({ objects }))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await rows()).to.have.length(2);
    for (const { documentId } of documents) {
      expect(await reasonOf(harness.client.getDocument({ documentId }, as(tenantA)))).to.equal('DOCUMENT_NOT_FOUND');
    }
    expect(await step()).to.deep.include({ documentsDone: 2, documentsLeft: 0 });
    expect(await rows()).to.deep.equal([]);
  });

  it('waits for a stage that still runs, and removes the others meanwhile', async () => {
    const running = await upload(harness, 'words');
    await upload(harness, 'words');
    ended();
    const queue: Harness['deps']['queue'] = {
      ...harness.deps.queue,
      flowState: (flow) =>
        flow.documentId === running.documentId ? Promise.resolve('active') : harness.deps.queue.flowState(flow),
    };
    expect(await step({ queue })).to.deep.include({ documentsDone: 1, documentsLeft: 1 });
    await harness.objects.writeJsonLines({ ...refOf(tenantA, running.documentId), name: 'vectors' }, [{ late: true }]);
    expect(await step()).to.deep.include({ documentsDone: 1, documentsLeft: 0 });
    expect(await harness.objects.removeTenant(tenantA)).to.equal(0);
  });
});
