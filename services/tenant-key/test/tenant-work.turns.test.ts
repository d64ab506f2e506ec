import { TenantWorkKind } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { purgeHolders } from '../src/domain/offboarding.ts';
import { openLeavingTenants, type LeavingTenants } from './leaving-tenants.ts';
import { reasonOf } from './support.ts';

const pageSize = 50;

describe('the work of a service', () => {
  let world: LeavingTenants;
  before(async function () {
    this.timeout(60_000);
    world = await openLeavingTenants();
  });
  after(() => world.close());
  beforeEach(() => world.query('delete from tenant_key.tenant_work'));

  /** Work of so many tenants, the oldest first; answers their ids. */
  const addPurges = async (count: number): Promise<string[]> => {
    const tenantIds: string[] = [];
    for (let made = 0; made < count; made += 1) {
      const tenantId = uuidv7();
      tenantIds.push(tenantId);
      await world.query(
        `with made as (insert into tenant_key.tenant (tenant_id, display_name, state, key_version, chunk_size_chars,
           chunk_overlap_chars, created_at) values ($1, 'Leaving', 'offboarding', 1, 1000, 150, now()) returning tenant_id)
         insert into tenant_key.tenant_work (tenant_id, work_id, holder, kind, key_version, created_at)
           select tenant_id, $1, 'retrieval', 'purge', 0, now() + $2 * interval '1 second' from made`,
        [tenantId, made],
      );
    }
    return tenantIds;
  };
  const listed = async (): Promise<string[]> =>
    (await world.holder('retrieval').listTenantWork({})).work.map(({ tenantId }) => tenantId);
  const purge = (workId: string) => ({ workId, kind: TenantWorkKind.PURGE });
  const begin = async (tenantId: string): Promise<void> => {
    world.clockMs += 1;
    await world.service('retrieval', tenantId).beginTenantWork(purge(tenantId));
  };

  it('is begun by every service that holds something, and by no other', async () => {
    const [tenantId = ''] = await addPurges(1);
    for (const name of purgeHolders) {
      // Only retrieval was given a piece here; who may not begin hears that, whether there is one or not.
      const reason = await reasonOf(world.service(name, tenantId).beginTenantWork(purge(tenantId)));
      expect(reason, name).not.to.equal('CALLER_NOT_ACCEPTED');
    }
    expect(await reasonOf(world.service('embedding', tenantId).beginTenantWork(purge(tenantId)))).to.equal(
      'CALLER_NOT_ACCEPTED',
    );
  });

  it('reaches a tenant behind sixty that do not move, in the second pass', async () => {
    const tenantIds = await addPurges(61);
    const live = tenantIds.at(-1) ?? '';
    const first = await listed();
    expect(first).to.deep.equal(tenantIds.slice(0, pageSize));
    // Every step of theirs fails, which nobody reports.
    for (const tenantId of first) await begin(tenantId);
    const second = await listed();
    expect(second).to.deep.equal([...tenantIds.slice(pageSize), ...tenantIds.slice(0, 2 * pageSize - 61)]);
    expect(second).to.include(live);
    await begin(live);
    await world.service('retrieval', live).reportTenantWork({ ...purge(live), documentsDone: 1n });
    for (const tenantId of second.filter((id) => id !== live)) await begin(tenantId);
    expect(await listed())
      .to.have.length(pageSize)
      .and.not.include(live);
  });

  it('begins again behind the others where the process died in the first step', async () => {
    const [one = '', two = '', three = ''] = await addPurges(3);
    await begin(one);
    expect(await listed()).to.deep.equal([two, three, one]);
    await begin(one);
    await begin(three);
    expect(await listed()).to.deep.equal([two, one, three]);
  });

  it('is begun by its holder, of its tenant, by its kind', async () => {
    const [one = '', other = ''] = await addPurges(2);
    const calls = [
      world.service('ingestion', one).beginTenantWork(purge(one)),
      world.service('retrieval', other).beginTenantWork(purge(one)),
      world.service('retrieval', one).beginTenantWork({ ...purge(one), kind: TenantWorkKind.RESEAL }),
      world.service('retrieval', one).beginTenantWork({ workId: one }),
      world.first(one).beginTenantWork(purge(one)),
    ];
    expect(await Promise.all(calls.map(reasonOf))).to.deep.equal([
      'WORK_NOT_FOUND',
      'WORK_NOT_FOUND',
      'WORK_NOT_FOUND',
      'INVALID_ARGUMENT',
      'CALLER_NOT_ACCEPTED',
    ]);
    expect(await listed()).to.deep.equal([one, other]);
  });

  it('is reported of the kind that is meant, where a rotation and an offboarding have one id', async () => {
    const [tenantId = ''] = await addPurges(1);
    await world.query(
      `insert into tenant_key.tenant_work (tenant_id, work_id, holder, kind, key_version, settled_at, created_at)
       values ($1, $1, 'retrieval', 'reseal', 2, now(), now())`,
      [tenantId],
    );
    const report = { workId: tenantId, documentsDone: 1n, kind: TenantWorkKind.RESEAL };
    await world.service('retrieval', tenantId).reportTenantWork(report);
    const rows = await world.query('select kind, done from tenant_key.tenant_work order by kind');
    expect(rows).to.deep.equal([
      { kind: 'purge', done: false },
      { kind: 'reseal', done: true },
    ]);
    expect(await listed()).to.deep.equal([tenantId]);
  });
});
