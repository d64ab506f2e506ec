import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { AppError } from '@wardstone/rpc';
import type { Resealing, WorkStep } from '@wardstone/tenancy';
import { expect } from 'chai';
import { settle } from '../src/db/documents.ts';
import { createReconciler } from '../src/jobs/reconciler.ts';
import { resealStep, type ResealDeps } from '../src/tenant-work/reseal.ts';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { collect, reasonOf, upload, uploadMessages, type UploadMessage } from './support/upload.ts';

describe('sealing a tenant again', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());
  beforeEach(() => harness.clear());

  const signal = new AbortController().signal;
  const work = (keyVersion: number): Resealing => ({ tenantId: tenantA, keyVersion, settledAt: new Date() });
  const wholeStep = (keyVersion = 2, deps: Partial<ResealDeps> = {}): Promise<WorkStep> =>
    resealStep({ ...harness.deps, ...deps })(work(keyVersion), signal);
  const step = async (...args: Parameters<typeof wholeStep>): Promise<Omit<WorkStep, 'moved'>> => {
    const { documentsDone, documentsLeft } = await wholeStep(...args);
    return { documentsDone, documentsLeft };
  };
  const end = (documentId: string, reason?: 'NO_TEXT') =>
    harness.database.inTenant(tenantA, (tx) =>
      settle(tx, { documentId, version: 1 }, reason === undefined ? { state: 'READY' } : { state: 'FAILED', reason }),
    );
  const settled = async (words: string | Buffer, options: Parameters<typeof upload>[2] = {}): Promise<string> => {
    const { documentId } = await upload(harness, words, options);
    await end(documentId);
    return documentId;
  };
  const refOf = (documentId: string) => ({ tenantId: tenantA, documentId, version: 1, name: 'original' }) as const;
  const contentOf = async (documentId: string): Promise<string> => {
    const parts = await collect(harness.client.downloadDocument({ documentId }, as(tenantA)));
    return Buffer.concat(parts.map(({ part }) => (part.case === 'data' ? part.value : Buffer.alloc(0)))).toString();
  };
  const versions = async (): Promise<unknown[]> =>
    (await harness.testDatabase.query('select key_version from ingestion.document order by document_id')).map(
      (row) => row['key_version'],
    );
  const rotate = (version = 2) => harness.tenants.rotate(tenantA, version);

  it('seals rows, originals and idempotency keys again; what was shown before is shown after, and nothing opens under the old version', async () => {
    const named = { labels: ['manual'], metadata: { ward: '4 West' }, title: 'T', idempotencyKey: 'key-1' };
    const ready = await settled('the words', named);
    const failed = await upload(harness, 'other words');
    await end(failed.documentId, 'NO_TEXT');
    const foreign = await upload(harness, 'foreign words', { tenantId: tenantB });
    const before = await harness.client.getDocument({ documentId: ready }, as(tenantA));
    const [old] = await harness.testDatabase.query('select * from ingestion.document where document_id = $1', [ready]);
    rotate();
    expect(await step()).to.deep.equal({ documentsDone: 2, documentsLeft: 0 });
    expect(await step()).to.deep.equal({ documentsDone: 0, documentsLeft: 0 });
    harness.tenants.retire(tenantA, 2);

    expect(await harness.client.getDocument({ documentId: ready }, as(tenantA))).to.deep.equal(before);
    expect(await contentOf(ready)).to.equal('the words');
    expect(await contentOf(failed.documentId)).to.equal('other words');
    expect((await upload(harness, 'the words', named)).documentId).to.equal(ready);
    expect(await harness.objects.keyVersion(refOf(ready))).to.equal(2);
    const [key] = await harness.testDatabase.query('select key_version from ingestion.idempotency_key');
    expect(key).to.deep.equal({ key_version: 2 });
    expect(await versions(), "the other tenant's is as it was").to.deep.equal([2, 2, 1]);
    expect(await harness.objects.keyVersion({ ...refOf(foreign.documentId), tenantId: tenantB })).to.equal(1);

    // The row as a thief of yesterday's backup has it.
    const restore = 'update ingestion.document set title_sealed = $2 where document_id = $1';
    await harness.testDatabase.query(restore, [ready, old?.['title_sealed']]);
    const opened = harness.client.getDocument({ documentId: ready }, as(tenantA));
    expect(await reasonOf(opened)).to.equal('SEALED_VALUE_INVALID');
  });

  it('counts documents on their way, and seals them when they have settled', async () => {
    const pending = await upload(harness, 'words');
    const deleted = await upload(harness, 'words');
    harness.faults.index = true;
    await reasonOf(harness.client.deleteDocument({ documentId: deleted.documentId }, as(tenantA)));
    harness.faults.index = false;
    rotate();
    const artefact = { ...refOf(pending.documentId), name: 'chunks' } as const;
    await harness.objects.writeJsonLines(artefact, [{}]);
    expect(await step()).to.deep.equal({ documentsDone: 0, documentsLeft: 2 });
    const newer = await upload(harness, 'words');
    const settledBefore = { ...work(2), settledAt: newer.createdAt === undefined ? new Date() : new Date(0) };
    expect((await resealStep(harness.deps)(settledBefore, signal)).documentsLeft, 'not the newer one').to.equal(2);
    await end(pending.documentId);
    await createReconciler(harness.deps, { intervalMs: 1, graceMs: 0, uploadIdleMs: 60_000 }).pass();
    const { documentsDone, documentsLeft } = await resealStep(harness.deps)(settledBefore, signal);
    expect({ documentsDone, documentsLeft }).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
  });

  it('takes bounded steps', async () => {
    await Promise.all(Array.from({ length: 23 }, (_, index) => settled(`words ${String(index)}`)));
    rotate();
    expect(await step()).to.deep.equal({ documentsDone: 20, documentsLeft: 3 });
    expect(await step()).to.deep.equal({ documentsDone: 3, documentsLeft: 0 });
  });

  it('says that idempotency keys moved, which are no documents', async () => {
    await settled('words', { idempotencyKey: 'key-1' });
    rotate();
    expect(await wholeStep()).to.deep.equal({ documentsDone: 1, documentsLeft: 0, moved: 1 });
    expect(await wholeStep()).to.deep.equal({ documentsDone: 0, documentsLeft: 0, moved: 0 });
  });

  it('goes on where it was killed, between the object and the row', async () => {
    const documentId = await settled('the words');
    rotate();
    let writes = 0;
    const objects: Harness['objects'] = {
      ...harness.objects,
      write: async (...args) => {
        writes += 1;
        return harness.objects.write(...args);
      },
    };
    const killed: ResealDeps['database'] = {
      ...harness.database,
      inTenant: async (tenantId, run, options) => {
        if (writes > 0) throw new AppError('CANCELLED');
        return harness.database.inTenant(tenantId, run, options);
      },
    };
    expect(await reasonOf(step(2, { objects, database: killed }))).to.equal('CANCELLED');
    expect(await harness.objects.keyVersion(refOf(documentId))).to.equal(2);
    expect(await versions()).to.deep.equal([1]);
    expect(await contentOf(documentId), 'in between').to.equal('the words');
    expect(await step(2, { objects })).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
    expect(writes, 'the object was found done').to.equal(1);
    harness.tenants.retire(tenantA, 2);
    expect(await contentOf(documentId)).to.equal('the words');
  });

  it('removes what the store keeps of an original before its row says that it is done', async () => {
    const documentId = await settled('the words');
    rotate();
    const removed: string[] = [];
    let denied = true;
    const objects: Harness['objects'] = {
      ...harness.objects,
      removeReplaced: async (ref) => {
        if (denied) throw new AppError('OBJECT_STORE_ACCESS_DENIED');
        removed.push(ref.documentId);
        await harness.objects.removeReplaced(ref);
      },
    };
    expect(await step(2, { objects })).to.deep.equal({ documentsDone: 0, documentsLeft: 1 });
    expect(await harness.objects.keyVersion(refOf(documentId)), 'sealed again, and not done').to.equal(2);
    denied = false;
    expect(await step(2, { objects })).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
    expect(removed).to.deep.equal([documentId]);
  });

  for (const moment of ['before', 'after'] as const) {
    it(`leaves nothing of a document that is deleted just ${moment} its original is written`, async () => {
      const documentId = await settled('the words');
      rotate();
      const remove = () => harness.client.deleteDocument({ documentId }, as(tenantA));
      const objects: Harness['objects'] = {
        ...harness.objects,
        write: async (...args) => {
          if (moment === 'before') await remove();
          const written = await harness.objects.write(...args);
          if (moment === 'after') await remove();
          return written;
        },
      };
      expect(await step(2, { objects })).to.deep.equal({ documentsDone: 0, documentsLeft: 0 });
      expect(await harness.objects.exists(refOf(documentId))).to.equal(false);
      expect(await versions()).to.deep.equal([]);
    });
  }

  it('removes the original that a store brought back over a deletion in another process', async () => {
    const documentId = await settled('the words');
    rotate();
    const objects: Harness['objects'] = {
      ...harness.objects,
      write: async (ref, source, { ifMatch: _unseen, ...options } = {}) => {
        await harness.client.deleteDocument({ documentId }, as(tenantA));
        return harness.objects.write(ref, source, options);
      },
    };
    await step(2, { objects });
    expect(await harness.objects.exists(refOf(documentId))).to.equal(false);
  });

  it('may run twice at once', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, (_, index) => settled(`words ${String(index)}`)));
    rotate();
    await Promise.all([step(), step()]);
    expect((await step()).documentsLeft).to.equal(0);
    harness.tenants.retire(tenantA, 2);
    const read: string[] = [];
    for (const documentId of ids) read.push(await contentOf(documentId));
    expect(read).to.deep.equal(ids.map((_, index) => `words ${String(index)}`));
  });

  it('lets a download that has begun go on', async () => {
    const bytes = randomBytes(3_000_000).toString('base64');
    const documentId = await settled(bytes);
    const reader = harness.client.downloadDocument({ documentId }, as(tenantA))[Symbol.asyncIterator]();
    await reader.next();
    const first = await reader.next();
    rotate();
    expect(await step()).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
    const pieces = [first];
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) pieces.push(next);
    const read = pieces.map(({ value }) => (value as { part: { value: Uint8Array } }).part.value);
    expect(Buffer.concat(read).toString()).to.equal(bytes);
  });

  it('waits for an upload that began before the rotation, and seals it when it has settled', async () => {
    let left: number | undefined;
    async function* slow(): AsyncGenerator<UploadMessage> {
      for await (const message of uploadMessages(Buffer.alloc(200_000, 'a'))) {
        if (message.part?.case === 'complete') {
          rotate();
          left = (await step()).documentsLeft;
        }
        yield message;
      }
    }
    const { document } = await harness.client.uploadDocument(slow(), as(tenantA));
    expect(left, 'while it came in').to.equal(1);
    expect(await versions(), 'of its title and original, not of its digest').to.deep.equal([1]);
    expect((await step()).documentsLeft).to.equal(1);
    await end(document?.documentId ?? '');
    expect(await step()).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
    const later = await upload(harness, 'words');
    expect(await harness.objects.keyVersion(refOf(later.documentId))).to.equal(2);
    expect(await versions()).to.deep.equal([2, 2]);
  });

  it('asks for the current version when its process has not heard of it', async () => {
    await settled('words');
    const { keys } = harness.tenants;
    const refreshed: string[] = [];
    const stale: Harness['deps']['keys'] = {
      current: (tenantId, purpose) => keys.version(tenantId, purpose, refreshed.length === 0 ? 1 : 2),
      version: (...args) => keys.version(...args),
      forget: (tenantId) => keys.forget(tenantId),
      refresh: (tenantId) => void refreshed.push(tenantId),
      clear: () => keys.clear(),
      close: () => Promise.resolve(),
    };
    expect(await reasonOf(step(2, { keys: stale }))).to.equal('KEY_UNAVAILABLE');
    expect(refreshed).to.deep.equal([tenantA]);
    rotate();
    expect(await step()).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
  });

  it('is not held up by what opens under no key, keeps it as it is, and says so', async () => {
    const damaged = await settled('damaged');
    const lost = await settled('lost');
    const cut = await settled('cut', { idempotencyKey: 'key-1' });
    await harness.testDatabase.query(
      `update ingestion.document set title_sealed = overlay(title_sealed placing 'AAAA' from length(title_sealed) - 8)
       where document_id = $1`,
      [damaged],
    );
    await harness.objects.remove(refOf(lost));
    await writeFile(`${harness.objectsDir}/objects/tenants/${tenantA}/documents/${cut}/1/original~`, 'cut');
    await harness.testDatabase.query(`update ingestion.idempotency_key set fingerprint_sealed = 'no seal'`);
    const select = 'select title_sealed, file_name_sealed from ingestion.document where document_id = $1';
    const [before] = await harness.testDatabase.query(select, [damaged]);
    rotate();
    const replaced: string[] = [];
    const objects: Harness['objects'] = {
      ...harness.objects,
      removeReplaced: (ref) => Promise.resolve(void replaced.push(ref.documentId)),
    };
    expect(await step(2, { objects })).to.deep.equal({ documentsDone: 3, documentsLeft: 0 });
    expect(replaced, 'an older version of what does not open may be the one that does').to.deep.equal([damaged]);
    const [after] = await harness.testDatabase.query(select, [damaged]);
    expect(after?.['title_sealed'], 'left as it is').to.equal(before?.['title_sealed']);
    expect(after?.['file_name_sealed'], 'sealed again').not.to.equal(before?.['file_name_sealed']);
    harness.tenants.retire(tenantA, 2);
    expect((await collect(await harness.objects.read(refOf(damaged)))).toString()).to.equal('damaged');
    const metrics = await harness.telemetry.metrics.metrics();
    for (const [field, count] of Object.entries({ title: 1, original: 2, fingerprint: 1 })) {
      expect(metrics).to.match(
        new RegExp(`^wardstone_ingestion_unreadable_values_total\\{field="${field}".*\\} ${String(count)}$`, 'm'),
      );
    }
    const lines = harness.logs.filter((line) => line.includes('opens under no key'));
    expect(lines).to.have.length(4);
    expect(lines.join('')).to.include(damaged).and.include(lost).and.include(cut);
  });

  it('goes on with the others when one cannot be helped now, and comes back to it', async () => {
    const stubborn = await settled('stubborn');
    await settled('words');
    rotate();
    const objects: Harness['objects'] = {
      ...harness.objects,
      etag: (ref) => (ref.documentId === stubborn ? Promise.reject(new Error('EIO')) : harness.objects.etag(ref)),
    };
    expect(await step(2, { objects })).to.deep.equal({ documentsDone: 1, documentsLeft: 1 });
    expect(await step()).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
  });

  it('stops for what is away, and does not take it for damage', async () => {
    await settled('words');
    rotate();
    harness.faults.objects = true;
    expect(await reasonOf(step())).to.equal('OBJECT_STORE_UNAVAILABLE');
    harness.faults.objects = false;
    harness.tenants.close(tenantA, 'TENANT_SUSPENDED');
    expect(await reasonOf(step())).to.equal('TENANT_SUSPENDED');
    harness.tenants.resume(tenantA);
    expect(await step()).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
  });
});
