import { expect } from 'chai';
import { followModel } from '../src/db/tenant-model.ts';
import { createReembedding } from '../src/jobs/reembed.ts';
import type { Deps } from '../src/ports.ts';
import { type Harness, openHarness, running } from './support/harness.ts';
import { type ModelTenant, modelTenant, models, useModels } from './support/model-tenant.ts';

describe('vectors that are written while things change', function () {
  this.timeout(60_000);
  let harness: Harness;
  let tenant: ModelTenant;
  before(async () => {
    harness = await openHarness();
    useModels(harness);
  });
  beforeEach(async () => {
    harness.useKeyVersion(1);
    harness.models.current = models.old;
    tenant = modelTenant(harness);
    await tenant.write(['one', 'two'], models.old);
    harness.models.current = models.next;
  });
  after(() => harness.close());

  /** One pass, in which something happens once: when vectors are about to be written, made for what was before. */
  const passWith = async (happens: () => Promise<void>): Promise<void> => {
    let hasHappened = false;
    const database: Deps['database'] = {
      ...harness.database,
      inTenant: async (tenantId, work, options) => {
        if (options?.commitIf !== undefined && !hasHappened) {
          hasHappened = true;
          await happens();
        }
        return harness.database.inTenant(tenantId, work, options);
      },
    };
    const options = { lookIntervalMs: 60_000, keepOldMs: 60_000, askAgainMs: 60_000 };
    await createReembedding({ ...harness.deps, database }, options).pass(running.signal);
    expect(hasHappened).to.equal(true);
  };

  it('go into the new space when the key is rotated, and none stays in the old one', async () => {
    await passWith(() => Promise.resolve(harness.useKeyVersion(2)));
    const versions = await harness.testDatabase.query(
      `select vector_key_version as version, count(*)::int as vectors from retrieval.chunk_vector
       where tenant_id = $1 and model_id = $2 group by vector_key_version`,
      [tenant.tenantId, models.next],
    );
    expect(versions).to.deep.equal([{ version: 2, vectors: 2 }]);
  });

  it('are not there when the tenant stays with the model that it has', async () => {
    const { tenantId } = tenant;
    await passWith(() => harness.database.inTenant(tenantId, (tx) => followModel(tx, tenantId, models.old)));
    expect(await tenant.counts()).to.deep.equal({ [models.old]: [2, 0, 2] });
  });
});
