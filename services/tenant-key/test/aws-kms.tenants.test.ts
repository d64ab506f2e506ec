import { randomUUID } from 'node:crypto';
import { KeyPurpose } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { awsSuite, testAwsRegion as region } from '@wardstone/testing/aws';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { createAwsKms } from '../src/adapters/aws-kms.ts';
import type { KeyManagementService } from '../src/ports.ts';
import { openHarness, openTenants, platformAdmin, reasonOf, recordingAuditor, systemPrincipal } from './support.ts';

awsSuite('tenants on AWS KMS', (endpoint) => {
  let opened: Awaited<ReturnType<typeof openTenants>>;
  let harness: Awaited<ReturnType<typeof openHarness>>;
  let kms: KeyManagementService;
  before(async function () {
    this.timeout(60_000);
    kms = createAwsKms({ region, endpoint, aliasPrefix: `wardstone-test-${randomUUID()}`, tags: {} });
    opened = await openTenants();
    harness = await openHarness({ ...opened, kms, auditor: recordingAuditor() });
  });
  after(async () => {
    await harness.close();
    await opened.database.close();
    await opened.test.drop();
  });

  it('have keys while theirs is enabled, and a reason when it is not', async () => {
    const tenantId = uuidv7();
    await harness.as('gateway', platformAdmin).createTenant({ tenantId, displayName: 'North' });
    const retrieval = harness.as('retrieval', systemPrincipal('retrieval', tenantId));
    const { dataKey } = await retrieval.getDataKeys({ purpose: KeyPurpose.CONTENT });
    expect(dataKey?.key.byteLength).to.equal(32);

    const { keyId } = await kms.createKey(tenantId);
    await kms.disableKey(keyId);
    // Of a purpose that nobody has asked for yet: no memory of this process answers in place of KMS.
    expect(await reasonOf(retrieval.getDataKeys({ purpose: KeyPurpose.TERMS }))).to.equal('KEY_DISABLED');
    await kms.scheduleDeletion({ keyId, windowDays: 7 });
    expect(await reasonOf(retrieval.getDataKeys({ purpose: KeyPurpose.TERMS }))).to.equal('KEY_PENDING_DELETION');
    await kms.cancelDeletion(keyId);
    await kms.enableKey(keyId);
    await retrieval.getDataKeys({ purpose: KeyPurpose.TERMS });
  });
});
