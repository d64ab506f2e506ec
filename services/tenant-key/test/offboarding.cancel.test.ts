import { AppError } from '@wardstone/rpc';
import { OffboardingState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { expect } from 'chai';
import { away, dayMs, openLeavingTenants, type Faults, type LeavingTenants } from './leaving-tenants.ts';
import { reasonOf } from './support.ts';

describe('an offboarding that is taken back', () => {
  let world: LeavingTenants;

  before(async function () {
    this.timeout(60_000);
    world = await openLeavingTenants();
  });
  after(() => world.close());
  beforeEach(() => world.reset());

  const stateOf = async (tenantId: string): Promise<OffboardingState | undefined> =>
    (await world.first(tenantId).getOffboarding({})).offboarding?.state;
  const events = (): string[] =>
    world.auditor.events.filter(({ outcome }) => outcome === 'success').map(({ action }) => action);

  it('is audited first: without that KMS hears nothing of it', async () => {
    const { tenantId, offboardingId } = await world.approved();
    world.auditor.away = true;
    expect(await reasonOf(world.first(tenantId).cancelOffboarding({ offboardingId }))).to.equal('AUDIT_UNAVAILABLE');
    world.auditor.away = false;
    expect([await stateOf(tenantId), await world.keyState(tenantId)]).to.deep.equal([
      OffboardingState.SCHEDULED,
      'pending-deletion',
    ]);
  });

  /** What goes wrong, and what KMS then says of the key. */
  const failures: [string, () => Faults, string][] = [
    ['KMS does not take the deletion back', () => ({ cancelDeletion: away }), 'pending-deletion'],
    ['KMS does not enable the key', () => ({ enableKey: away }), 'disabled'],
    [
      'the end cannot be audited',
      () => ({
        enableKey: () => {
          world.auditor.away = true;
        },
      }),
      'enabled',
    ],
    [
      'the end is not committed',
      () => ({
        enableKey: () => {
          world.faults.commit = () => {
            throw new AppError('DATABASE_UNAVAILABLE');
          };
        },
      }),
      'enabled',
    ],
  ];
  for (const [title, faultsOf, keyThen] of failures) {
    it(`stays closed while ${title}, and goes on by itself`, async () => {
      const { tenantId, offboardingId } = await world.approved();
      world.faults = faultsOf();
      const answer = await reasonOf(world.first(tenantId).cancelOffboarding({ offboardingId }));
      expect(answer).to.equal(world.faults.commit === undefined ? 'no error' : 'DATABASE_UNAVAILABLE');
      const stands = async (): Promise<unknown[]> => {
        delete world.faults.commit;
        world.auditor.away = false;
        return [await stateOf(tenantId), await world.keyState(tenantId)];
      };
      expect(await stands()).to.deep.equal([OffboardingState.CANCELLING, keyThen]);
      expect(await reasonOf(world.keys(tenantId))).to.equal('TENANT_OFFBOARDING');
      await world.driver.pass();
      expect(await stands(), 'still away').to.deep.equal([OffboardingState.CANCELLING, keyThen]);
      world.faults = {};
      await world.driver.pass();
      expect(await stands()).to.deep.equal([OffboardingState.CANCELLED, 'enabled']);
      expect([...new Set(events())].slice(-2)).to.deep.equal(['offboarding.cancel', 'offboarding.restore']);
      await world.keys(tenantId);
    });
  }

  it('is asked again and approved again meanwhile, and says where it stands', async () => {
    const { tenantId, offboardingId } = await world.approved();
    world.faults.enableKey = away;
    for (let call = 0; call < 2; call += 1) {
      const { offboarding } = await world.second(tenantId).cancelOffboarding({ offboardingId });
      expect(offboarding?.state).to.equal(OffboardingState.CANCELLING);
    }
    expect((await world.second(tenantId).approveOffboarding({ offboardingId })).offboarding?.state).to.equal(
      OffboardingState.CANCELLING,
    );
    world.faults = {};
    const { offboarding } = await world.first(tenantId).cancelOffboarding({ offboardingId });
    expect(offboarding?.state).to.equal(OffboardingState.CANCELLED);
    expect(events().filter((action) => action === 'offboarding.cancel')).to.have.length(1);
  });

  it('when KMS had deleted the key already, goes on to its end', async () => {
    const { tenantId, offboardingId } = await world.approved();
    world.faults.cancelDeletion = away;
    await world.first(tenantId).cancelOffboarding({ offboardingId });
    world.clockMs += 7 * dayMs;
    world.faults = {};
    await world.driver.pass();
    expect([await stateOf(tenantId), await world.keyState(tenantId)]).to.deep.equal([
      OffboardingState.PURGING,
      'deleted',
    ]);
    const failure = world.auditor.events.find(
      ({ action, resourceIds }) => action === 'offboarding.restore' && resourceIds.includes(offboardingId),
    );
    expect(failure).to.include({ outcome: 'failure', reason: 'KEY_UNAVAILABLE' });
  });

  for (const [title, act] of [
    ['enabled', (keyId: string) => world.kms.enableKey(keyId)],
    ['taken off its schedule', () => Promise.resolve()],
  ] as const) {
    it(`looks at a key that waits for its deletion, and schedules one again that was ${title} in KMS`, async () => {
      const { tenantId } = await world.approved();
      const keyId = `software:${tenantId}`;
      await world.kms.cancelDeletion(keyId);
      await act(keyId);
      await world.driver.pass();
      expect(await world.keyState(tenantId), 'it was looked at a moment ago').not.to.equal('pending-deletion');
      world.clockMs += 10 * 60_000;
      await world.driver.pass();
      expect(await world.keyState(tenantId)).to.equal('pending-deletion');
      const { offboarding } = await world.first(tenantId).getOffboarding({});
      expect(offboarding?.state).to.equal(OffboardingState.SCHEDULED);
      expect(Number(offboarding?.deletionAt?.seconds)).to.be.closeTo((world.clockMs + 7 * dayMs) / 1000, 2);
      expect(await world.driver.pass(), 'not at every pass').to.equal(0);
    });
  }
});
