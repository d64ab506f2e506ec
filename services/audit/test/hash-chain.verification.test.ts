import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { AuditEvent } from '../src/domain/audit-event.ts';
import { canonicalForm, emptyChain, extendChain, sameContent, verifyChain } from '../src/domain/hash-chain.ts';
import { content, tenantB } from './support/content.ts';

const chainOf = (length: number): AuditEvent[] =>
  extendChain(
    emptyChain,
    Array.from({ length }, (_, at) => content({ requestId: `req-${at}` })),
    1_795_000_000_500,
  );

const changed = (events: AuditEvent[], at: number, change: Partial<AuditEvent>): AuditEvent[] =>
  events.map((event, index) => (index === at ? { ...event, ...change } : event));

describe('hash chain', () => {
  it('has a canonical form that is fixed to the byte', () => {
    const fixed = content({ eventId: '01930000-0000-7000-8000-000000000001', attributes: { b: '2', a: 'ä"\\/' } });
    const form = canonicalForm(fixed, {
      sequence: 7n,
      recordedAtMs: 1_795_000_000_500,
      previousHash: new Uint8Array(32),
    });
    expect(form.toString('utf8')).to.equal(
      '{"action":"document.download","actorKind":"user","actorRoles":["clinician"],"actorSubject":"user-1",' +
        '"attributes":{"a":"ä\\"\\\\/","b":"2"},"eventId":"01930000-0000-7000-8000-000000000001",' +
        '"format":"wardstone.audit.v1","occurredAt":"2026-11-18T11:06:40.123Z","outcome":"success",' +
        `"previousHash":"${'0'.repeat(64)}","purposeOfUse":"TREAT","reason":"",` +
        '"recordedAt":"2026-11-18T11:06:40.500Z","requestId":"req-1","resourceIds":["doc-1"],"resourceType":"document",' +
        '"sequence":"7","service":"ingestion","tenantId":"0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c1d"}',
    );
  });

  it('hashes the canonical form, each event onto the one before', () => {
    const [first, second] = chainOf(2);
    if (!first || !second) throw new Error('two events were made');
    expect(first.previousHash).to.deep.equal(new Uint8Array(32));
    expect(Buffer.from(first.hash)).to.deep.equal(createHash('sha256').update(canonicalForm(first, first)).digest());
    expect(second.previousHash).to.deep.equal(first.hash);
  });

  it('verifies from the beginning, and from a head that is trusted', () => {
    const events = chainOf(10);
    const last = events.at(-1);
    const head = { sequence: 10n, hash: last?.hash };
    expect(verifyChain(events)).to.deep.equal({ ok: true, head });
    const fourth = events[3];
    if (!fourth) throw new Error('ten events were made');
    const from = { sequence: 4n, hash: fourth.hash };
    expect(verifyChain(events.slice(4), { from })).to.deep.equal({ ok: true, head });
    expect(verifyChain([])).to.deep.equal({ ok: true, head: emptyChain });
  });

  const changes: [keyof AuditEvent, Partial<AuditEvent>][] = [
    ['eventId', { eventId: '01930000-0000-7000-8000-00000000000f' }],
    ['occurredAtMs', { occurredAtMs: 1 }],
    ['recordedAtMs', { recordedAtMs: 1 }],
    ['actorSubject', { actorSubject: 'user-2' }],
    ['actorKind', { actorKind: 'client' }],
    ['actorRoles', { actorRoles: ['clinician', 'auditor'] }],
    ['purposeOfUse', { purposeOfUse: 'HPAYMT' }],
    ['service', { service: 'llm' }],
    ['action', { action: 'document.read' }],
    ['resourceType', { resourceType: 'tenant' }],
    ['resourceIds', { resourceIds: ['doc-1', 'doc-2'] }],
    ['outcome', { outcome: 'denied' }],
    ['reason', { reason: 'PERMISSION_DENIED' }],
    ['requestId', { requestId: 'req-x' }],
    ['attributes', { attributes: { bytes: '11', pages: '2' } }],
    ['hash', { hash: new Uint8Array(32) }],
  ];
  for (const [field, change] of changes) {
    it(`finds a changed ${field}`, () => {
      expect(verifyChain(changed(chainOf(5), 2, change))).to.deep.equal({ ok: false, sequence: 3n, problem: 'hash' });
    });
  }

  it('finds an event that was changed and hashed anew', () => {
    const events = chainOf(5);
    const second = events[1];
    if (!second) throw new Error('five events were made');
    const head = { sequence: 2n, hash: second.hash };
    const [forged] = extendChain(head, [content({ actorSubject: 'somebody-else' })], 1_795_000_000_500);
    const found = verifyChain(changed(events, 2, forged ?? {}));
    expect(found).to.deep.equal({ ok: false, sequence: 4n, problem: 'previous-hash' });
  });

  it('finds a removed, an inserted, a repeated and a swapped event', () => {
    const events = chainOf(5);
    const [first, second, third, fourth, fifth] = events;
    if (!first || !second || !third || !fourth || !fifth) throw new Error('five events were made');
    const sequence = (at: bigint): object => ({ ok: false, sequence: at, problem: 'sequence' });
    expect(verifyChain([first, second, fourth, fifth])).to.deep.equal(sequence(3n));
    expect(verifyChain([second, third])).to.deep.equal(sequence(1n));
    expect(verifyChain([first, second, second, third])).to.deep.equal(sequence(3n));
    expect(verifyChain([first, third, second, fourth])).to.deep.equal(sequence(2n));
    const renumbered = [first, { ...third, sequence: 2n }, { ...second, sequence: 3n }, fourth];
    expect(verifyChain(renumbered)).to.deep.equal({ ok: false, sequence: 2n, problem: 'previous-hash' });
  });

  it('finds an end that was cut off, when the head is known from elsewhere', () => {
    const events = chainOf(5);
    const expectedHead = { sequence: 5n, hash: events.at(-1)?.hash ?? new Uint8Array() };
    expect(verifyChain(events, { expectedHead }).ok).to.equal(true);
    expect(verifyChain(events.slice(0, 4), { expectedHead })).to.deep.equal({
      ok: false,
      sequence: 5n,
      problem: 'head',
    });
    const hash = new Uint8Array(32);
    expect(verifyChain(events, { expectedHead: { sequence: 5n, hash } })).to.include({ ok: false, problem: 'head' });
  });

  it("finds another tenant's event in the chain, and a chain given to another tenant", () => {
    const events = chainOf(3);
    const moved = changed(events, 1, { tenantId: tenantB });
    expect(verifyChain(moved)).to.deep.equal({ ok: false, sequence: 2n, problem: 'tenant' });
    const stolen = events.map((event) => ({ ...event, tenantId: tenantB }));
    expect(verifyChain(stolen)).to.deep.equal({ ok: false, sequence: 1n, problem: 'hash' });
  });

  it('tells whether two reports say the same, whatever the order of their attributes', () => {
    const one = content({ attributes: { a: '1', b: '2' } });
    expect(sameContent(one, { ...one, attributes: { b: '2', a: '1' } })).to.equal(true);
    expect(sameContent(one, { ...one, attributes: { a: '1' } })).to.equal(false);
    expect(sameContent(one, { ...one, actorSubject: 'user-2' })).to.equal(false);
  });
});
