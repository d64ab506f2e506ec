import type { SealedText } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { sealField } from '../src/adapters/document-seals.ts';
import { find, insertUploading, markReceived, type NewDocument } from '../src/db/documents.ts';
import { entities } from '../src/db/entities.ts';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { reasonOf, upload } from './support/upload.ts';

describe('sealed columns', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await openHarness();
  });
  afterEach(() => harness.close());

  const stored = (sql: string) => harness.testDatabase.query(sql);

  it('are all those whose name says so', () => {
    const columns = entities.flatMap(({ options }) => Object.values(options.columns));
    const sealed = columns.filter((column) => column?.name?.endsWith('_sealed'));
    expect(sealed).to.have.length(5);
    for (const column of sealed) {
      const transformer = column?.transformer;
      const to = transformer === undefined || Array.isArray(transformer) ? undefined : transformer.to;
      expect(() => to?.('clear'), column?.name).to.throw(AppError);
    }
  });

  it('take no clear text and no value of another field, on insert and on update', async () => {
    const key = { tenantId: tenantA, documentId: uuidv7() };
    const title = await sealField(harness.deps.keys, key, 'title', 'Knee');
    const fileName = await sealField(harness.deps.keys, key, 'file_name', 'knee.txt');
    const row = {
      ...key,
      titleSealed: title,
      fileNameSealed: fileName,
      labelsSealed: null,
      keyVersion: 1,
      mediaType: 'text/plain',
    };
    const insert = (change: Partial<NewDocument>) =>
      harness.database.inTenant(tenantA, (tx) =>
        insertUploading(tx, { ...row, createdBy: 'u', requestId: 'r', ...change }),
      );
    expect(await reasonOf(insert({ titleSealed: 'Knee' as SealedText }))).to.equal('INTERNAL');
    expect(await reasonOf(insert({ titleSealed: fileName }))).to.equal('INTERNAL');
    expect(await stored('select 1 from ingestion.document')).to.deep.equal([]);

    await insert({});
    const digestSealed = 'e3b0c442' as SealedText;
    const receive = harness.database.inTenant(tenantA, (tx) =>
      markReceived(tx, key.documentId, { sizeBytes: 1, digestSealed, keyVersion: 1 }),
    );
    expect(await reasonOf(receive)).to.equal('INTERNAL');
    const found = await harness.database.inTenant(tenantA, (tx) => find(tx, key.documentId));
    expect(found).to.include({ state: 'UPLOADING', titleSealed: title, fileNameSealed: fileName, digestSealed: null });
  });

  it('give no clear text out that got in another way; the row is found and can be deleted', async () => {
    const { documentId } = await upload(harness, 'words');
    await stored(`update ingestion.document set title_sealed = 'Knee of Jane'`);
    const found = await harness.database.inTenant(tenantA, (tx) => find(tx, documentId));
    expect(found?.titleSealed).to.equal('');
    expect(await reasonOf(harness.client.listDocuments({}, as(tenantA)))).to.equal('SEALED_VALUE_INVALID');
    await harness.client.deleteDocument({ documentId }, as(tenantA));
    expect(await stored('select 1 from ingestion.document')).to.deep.equal([]);
  });
});
