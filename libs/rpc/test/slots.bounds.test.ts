import { createHandlerContext } from '@connectrpc/connect';
import { expect } from 'chai';
import { IngestionService } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import { AppError, type CallContext, callValues, createSlots, tenantShare, withTenantSlot } from '../src/index.ts';
import { clinician, recordedTelemetry, refusal } from './support/platform.ts';

describe('slots', () => {
  it('are bounded per key, and come back once each', () => {
    const slots = createSlots({ maxPerKey: 2, retryAfterMs: 1500 });
    const first = slots.take('a');
    slots.take('a');
    expect(() => slots.take('a'))
      .to.throw(AppError)
      .that.includes({ reason: 'RATE_LIMITED', retryAfterMs: 1500 });
    const other = slots.take('b');
    expect(slots.taken()).to.equal(3);
    first();
    first();
    expect(slots.taken()).to.equal(2);
    slots.take('a');
    expect(() => slots.take('a')).to.throw(AppError);
    other();
    expect(slots.taken()).to.equal(2);
  });

  it('are bounded in all, and then say when to come again', () => {
    const slots = createSlots({ max: 2, maxPerKey: 2 });
    const first = slots.take('a');
    slots.take('b');
    expect(() => slots.take('c'))
      .to.throw(AppError)
      .that.includes({ reason: 'RATE_LIMITED', retryAfterMs: 1000 });
    first();
    slots.take('c');
    expect(slots.taken()).to.equal(2);
  });

  for (const [max, percent, maxPerKey] of [
    [64, 50, 32],
    [3, 50, 1],
    [1, 50, 1],
    [10, 1, 1],
    [10, 100, 10],
  ] as const) {
    it(`give one tenant ${maxPerKey} of ${max} when its share is ${percent} percent`, () => {
      expect(tenantShare(max, percent)).to.deep.equal({ max, maxPerKey });
    });
  }
});

describe('a handler with a slot per call', () => {
  const greedy = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f00';
  const modest = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f0f';

  function contextOf(tenantId: string | undefined) {
    const principal = { ...clinician, tenantId };
    const { log } = recordedTelemetry();
    const { signal } = new AbortController();
    const call: CallContext = { principal, peer: 'gateway', requestId: 'r', signal, timeoutMs: () => undefined, log };
    return createHandlerContext({
      service: IngestionService,
      method: IngestionService.method.watchDocument,
      protocolName: 'grpc',
      requestMethod: 'POST',
      url: 'http://in-memory',
      contextValues: callValues(call),
    });
  }

  const slots = createSlots(tenantShare(4, 50));
  const handler = withTenantSlot(slots, async function* (order: 'go on' | 'fail' | 'end') {
    yield await Promise.resolve('first');
    if (order === 'fail') throw new AppError('DATABASE_UNAVAILABLE');
    if (order === 'go on') yield 'second';
  });

  it('serves another tenant while one has all that it may have', async () => {
    const held = [handler('go on', contextOf(greedy)), handler('go on', contextOf(greedy))];
    for (const stream of held) expect((await stream.next()).value).to.equal('first');
    const refused = await refusal(handler('go on', contextOf(greedy)).next());
    expect(refused.reason).to.equal('RATE_LIMITED');
    expect(refused.retryAfterMs).to.be.greaterThan(0);

    const other = handler('go on', contextOf(modest));
    expect((await other.next()).value).to.equal('first');
    for (const stream of [...held, other]) await stream.return();
    expect(slots.taken()).to.equal(0);
  });

  it('gives the slot back at the end, after an error, and when it is left', async () => {
    const ended = handler('end', contextOf(greedy));
    for await (const word of ended) expect([word, slots.taken()]).to.deep.equal(['first', 1]);
    expect(slots.taken()).to.equal(0);

    const failing = handler('fail', contextOf(greedy));
    await failing.next();
    expect((await refusal(failing.next())).reason).to.equal('DATABASE_UNAVAILABLE');
    expect(slots.taken()).to.equal(0);

    const left = handler('go on', contextOf(greedy));
    await left.next();
    await left.return();
    expect(slots.taken()).to.equal(0);
  });

  it('holds none before it begins, and none for a caller without a tenant', async () => {
    handler('go on', contextOf(greedy));
    expect(slots.taken()).to.equal(0);
    const refused = await refusal(handler('go on', contextOf(undefined)).next());
    expect(refused.reason).to.equal('TENANT_REQUIRED');
    expect(slots.taken()).to.equal(0);
  });
});
