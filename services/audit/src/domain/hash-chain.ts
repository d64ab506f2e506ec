import { createHash, timingSafeEqual } from 'node:crypto';
import type { AuditEvent, ChainPlace, EventContent } from './audit-event.ts';

/** The end of a chain: what the next event is hashed onto. */
export interface ChainHead {
  readonly sequence: bigint;
  readonly hash: Uint8Array;
}

/** Named in every canonical form, so that a later form cannot be taken for this one. */
const format = 'wardstone.audit.v1';

/** The head of a chain without events. */
export const emptyChain: ChainHead = { sequence: 0n, hash: new Uint8Array(32) };

/** Places events behind a head, in order. Pure. */
export function extendChain(head: ChainHead, contents: readonly EventContent[], recordedAtMs: number): AuditEvent[] {
  let { sequence, hash: previousHash } = head;
  return contents.map((content) => {
    sequence += 1n;
    const place = { sequence, recordedAtMs, previousHash };
    const hash = sha256(canonicalForm(content, place));
    previousHash = hash;
    return { ...content, ...place, hash };
  });
}

/**
 * The bytes that are hashed: JSON by RFC 8785 (JCS), UTF-8. Every value is a string, an array of strings or an object of
 * strings, so that no rule about numbers is needed. Documented in this service's README for verifiers in other languages.
 */
export function canonicalForm(content: EventContent, place: Omit<ChainPlace, 'hash'>): Buffer {
  return canonicalJson({
    ...contentFields(content),
    format,
    previousHash: Buffer.from(place.previousHash).toString('hex'),
    recordedAt: instant(place.recordedAtMs),
    sequence: place.sequence.toString(),
  });
}

/** Whether two reports of an event say the same, wherever they stand in the chain. */
export function sameContent(one: EventContent, other: EventContent): boolean {
  return canonicalJson(contentFields(one)).equals(canonicalJson(contentFields(other)));
}

/** What verifying a run of events found. */
export type Verification =
  | { readonly ok: true; readonly head: ChainHead }
  /** `sequence` is the first place that does not hold. */
  | { readonly ok: false; readonly sequence: bigint; readonly problem: ChainProblem };

export type ChainProblem =
  /** The event's own fields or its hash were changed. */
  | 'hash'
  /** It does not follow the event before it. */
  | 'previous-hash'
  /** A number is missing or out of order: removed, inserted or swapped. */
  | 'sequence'
  /** It belongs to another chain. */
  | 'tenant'
  /** The chain ends before, or elsewhere than, the head that is known of it. */
  | 'head';

/**
 * Verifies a run of events, oldest first: from the beginning of the chain, or from a head that is trusted. An end cut off
 * cannot be seen in the events alone: give the head that was noted elsewhere (each AppendEvents answer carries one).
 */
export function verifyChain(
  events: readonly AuditEvent[],
  options: { readonly from?: ChainHead; readonly expectedHead?: ChainHead } = {},
): Verification {
  let head = options.from ?? emptyChain;
  const tenantId = events[0]?.tenantId;
  for (const event of events) {
    const expected = head.sequence + 1n;
    const fail = (problem: ChainProblem): Verification => ({ ok: false, sequence: expected, problem });
    if (event.sequence !== expected) return fail('sequence');
    if (event.tenantId !== tenantId) return fail('tenant');
    if (!sameBytes(event.previousHash, head.hash)) return fail('previous-hash');
    if (!sameBytes(event.hash, sha256(canonicalForm(event, event)))) return fail('hash');
    head = { sequence: event.sequence, hash: event.hash };
  }
  const { expectedHead } = options;
  if (expectedHead && (expectedHead.sequence !== head.sequence || !sameBytes(expectedHead.hash, head.hash))) {
    return { ok: false, sequence: head.sequence + 1n, problem: 'head' };
  }
  return { ok: true, head };
}

function contentFields(content: EventContent): Record<string, CanonicalValue> {
  return {
    action: content.action,
    actorKind: content.actorKind,
    actorRoles: content.actorRoles,
    actorSubject: content.actorSubject,
    attributes: content.attributes,
    eventId: content.eventId,
    occurredAt: instant(content.occurredAtMs),
    outcome: content.outcome,
    purposeOfUse: content.purposeOfUse,
    reason: content.reason,
    requestId: content.requestId,
    resourceIds: content.resourceIds,
    resourceType: content.resourceType,
    service: content.service,
    tenantId: content.tenantId ?? '',
  };
}

type CanonicalValue = string | readonly string[] | Readonly<Record<string, string>>;

function canonicalJson(fields: Readonly<Record<string, CanonicalValue>>): Buffer {
  const ordered = Object.entries(fields).map(([key, value]) => [key, isRecord(value) ? sorted(value) : value] as const);
  return Buffer.from(JSON.stringify(sorted(Object.fromEntries(ordered))), 'utf8');
}

/**
 * Keys by UTF-16 code units (RFC 8785 §3.2.3); JSON.stringify keeps the order and escapes strings as §3.2.2.2 asks. Keys
 * begin with a letter: JavaScript would put numbers first.
 */
function sorted<T>(fields: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function isRecord(value: CanonicalValue): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && !Array.isArray(value);
}

/** RFC 3339, UTC, to the millisecond: `2026-11-22T19:54:00.123Z`. */
function instant(ms: number): string {
  return new Date(ms).toISOString();
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
