import { AppError, type Principal } from '@wardstone/rpc';
import { expect } from 'chai';
import { createTestAuditor, type RecordedEvent } from '../src/index.ts';

describe('the auditor of tests', () => {
  const principal: Principal = {
    subject: 'user-1',
    kind: 'user',
    tenantId: '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f00',
    roles: ['clinician'],
  };
  const call = { principal, requestId: 'request-1' };
  const event = { action: 'search.read', resourceType: 'document', resourceIds: [], outcome: 'success' } as const;

  it('tells of what the audit log takes, and who it was of', async () => {
    const events: RecordedEvent[] = [];
    await createTestAuditor({ onEvent: (recorded) => events.push(recorded) }).record(call, event);
    expect(events).to.deep.equal([{ ...event, principal }]);
  });

  it('refuses what the audit log’s contract refuses, and tells of none of it', async () => {
    const events: RecordedEvent[] = [];
    const auditor = createTestAuditor({ onEvent: (recorded) => events.push(recorded) });
    for (const attributes of [{ 'No-Name': 'x' }, { text: 'x'.repeat(1_000) }]) {
      const refusal: unknown = await auditor.record(call, { ...event, attributes }).catch((error: unknown) => error);
      expect(AppError.from(refusal).reason).to.equal('INTERNAL');
    }
    expect(events).to.deep.equal([]);
  });

  it('fails as the test says before anything is recorded', async () => {
    const auditor = createTestAuditor({
      onEvent: () => expect.fail('it was recorded'),
      before: () => {
        throw new AppError('AUDIT_UNAVAILABLE');
      },
    });
    const refusal: unknown = await auditor.record(call, event).catch((error: unknown) => error);
    expect(AppError.from(refusal).reason).to.equal('AUDIT_UNAVAILABLE');
  });
});
