import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { AppError, type Principal, type Reason, type ServiceClient } from '@wardstone/rpc';
import {
  AppendEventsResponseSchema,
  type AuditService,
  type NewEvent,
  Outcome,
} from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { expect } from 'chai';
import { createAuditor, createDenialRecorder, type Denial, type NewAuditEvent } from '../src/index.ts';
import { reasonOf, tenantA } from './support.ts';

const principal: Principal = { subject: 'u-1', kind: 'user', tenantId: tenantA, roles: ['clinician'] };
const call = { principal, requestId: 'request-1' };
const event: NewAuditEvent = {
  action: 'search.read',
  resourceType: 'document',
  resourceIds: ['d-1'],
  outcome: 'success',
  attributes: { hits: '1' },
};

/** An audit service as a literal: keeps what is appended, and fails as often as told. */
function audit(
  failures = 0,
  recorded = (events: number): number => events,
  failure: Error = new AppError('SERVICE_UNAVAILABLE'),
) {
  const appends: NewEvent[][] = [];
  let left = failures;
  const appendEvents = (request: { events?: unknown[] }) => {
    appends.push(request.events as NewEvent[]);
    if (left > 0) {
      left -= 1;
      return Promise.reject(failure);
    }
    const count = recorded(request.events?.length ?? 0);
    return Promise.resolve(create(AppendEventsResponseSchema, { recorded: Array.from({ length: count }, () => ({})) }));
  };
  return { appends, client: { appendEvents } as unknown as ServiceClient<typeof AuditService> };
}

describe('auditor', () => {
  it('appends an event with an id of its own, the request and the time', async () => {
    const { client, appends } = audit();
    await createAuditor(client, () => 1_700_000_000_123).record(call, event);
    const [sent] = appends[0] ?? [];
    expect(sent).to.deep.include({ action: 'search.read', resourceIds: ['d-1'], requestId: 'request-1', reason: '' });
    expect([sent?.outcome, sent?.attributes]).to.deep.equal([Outcome.SUCCESS, { hits: '1' }]);
    expect(sent?.occurredAt && timestampMs(sent.occurredAt)).to.equal(1_700_000_000_123);
    expect(sent?.eventId).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('appends events that belong together at once, in order, and none when there is none', async () => {
    const { client, appends } = audit();
    const auditor = createAuditor(client);
    await auditor.recordAll(call, [event, { ...event, action: 'answer.create' }]);
    await auditor.recordAll(call, []);
    expect(appends.map((events) => events.map(({ action }) => action))).to.deep.equal([
      ['search.read', 'answer.create'],
    ]);
  });

  it('tries once more with the same id, then says that audit is away', async () => {
    const once = audit(1);
    await createAuditor(once.client).record(call, event);
    expect(once.appends).to.have.length(2);
    expect(once.appends[0]?.[0]?.eventId).to.equal(once.appends[1]?.[0]?.eventId);
    const away = audit(10);
    expect(await reasonOf(createAuditor(away.client).record(call, event))).to.equal('AUDIT_UNAVAILABLE');
    expect(away.appends).to.have.length(2);
  });

  const rejectionOf = (failure: Error) => {
    const { client, appends } = audit(10, undefined, failure);
    const recording = createAuditor(client).record(call, event);
    return recording.then(
      () => expect.fail('recorded'),
      (error: unknown) => ({ error: AppError.from(error), appends }),
    );
  };

  const passing: Reason[] = ['DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RATE_LIMITED'];
  const crowded = AppError.from(new ConnectError('too much to do', Code.ResourceExhausted));
  for (const failure of [...passing.map((reason) => new AppError(reason)), crowded]) {
    it(`says that audit is away when it fails with ${failure === crowded ? 'a bare status' : failure.reason}`, async () => {
      const { error, appends } = await rejectionOf(failure);
      expect(error).to.include({ reason: 'AUDIT_UNAVAILABLE', cause: failure });
      expect(appends).to.have.length(2);
    });
  }

  const lasting: Reason[] = ['INVALID_ARGUMENT', 'PERMISSION_DENIED', 'BODY_TOO_LARGE', 'UNIMPLEMENTED', 'INTERNAL'];
  for (const reason of lasting) {
    it(`fails for good, and at once, when the event is refused with ${reason}`, async () => {
      const failure = new AppError(reason);
      const { error, appends } = await rejectionOf(failure);
      expect(error).to.include({ reason: 'INTERNAL', cause: failure });
      expect(appends).to.have.length(1);
    });
  }

  it('does not take an answer for a proof that does not name every event', async () => {
    const { client } = audit(0, () => 0);
    expect(await reasonOf(createAuditor(client).record(call, event))).to.equal('AUDIT_UNAVAILABLE');
  });

  it('stops with the call', async () => {
    const { client, appends } = audit(10);
    const cancelled = { ...call, signal: AbortSignal.abort() };
    expect(await reasonOf(createAuditor(client).record(cancelled, event))).to.equal('CANCELLED');
    expect(appends.length).to.be.lessThan(2);
  });

  it('makes several events of one with more ids than fit, and refuses more events than fit', async () => {
    const { client, appends } = audit();
    const auditor = createAuditor(client);
    const ids = Array.from({ length: 450 }, (_, index) => `d-${String(index)}`);
    await auditor.record(call, { ...event, resourceIds: ids });
    expect(appends[0]?.map(({ resourceIds }) => resourceIds.length)).to.deep.equal([200, 200, 50]);
    expect(appends[0]?.flatMap(({ resourceIds }) => resourceIds)).to.deep.equal(ids);
    const many = Array.from({ length: 101 }, () => event);
    expect(await reasonOf(auditor.recordAll(call, many))).to.equal('INTERNAL');
  });
});

describe('denial recorder', () => {
  const denial: Denial = {
    principal,
    peer: 'llm',
    service: 'wardstone.retrieval.v1.RetrievalService',
    method: 'Search',
    resource: 'search',
    action: 'read',
    reason: 'PERMISSION_DENIED',
  };

  it('records a denial, and hands what it could not record to the log', async () => {
    const failed: Denial[] = [];
    const options = {
      requestId: () => 'request-1',
      logFailure: (_error: unknown, lost: Denial) => void failed.push(lost),
    };
    const up = audit();
    await createDenialRecorder({ ...options, auditor: createAuditor(up.client) })(denial);
    const [sent] = up.appends[0] ?? [];
    expect(sent).to.deep.include({ action: 'search.read', reason: 'PERMISSION_DENIED', outcome: Outcome.DENIED });
    expect(sent?.attributes).to.deep.equal({ peer: 'llm', method: 'Search' });
    await createDenialRecorder({ ...options, auditor: createAuditor(audit(10).client) })(denial);
    expect(failed).to.deep.equal([denial]);
  });
});
