import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { callContext, pageTokensOf, type CallContext } from '@wardstone/rpc';
import type { AuditService, ListEventsRequest } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { AuditEvent, EventContent } from '../domain/audit-event.ts';
import type { EventLog, EventQuery } from '../ports.ts';
import { actorOf, outcomeFromWire, toWire } from './wire.ts';

interface Deps {
  readonly log: EventLog;
  readonly now?: () => number;
}

const defaultPageSize = 50;

/** `before`: sequence of the last event of the page before. */
const positionShape = z.strictObject({ before: z.string().regex(/^[1-9]\d{0,17}$/) });

/**
 * Lists the events of the principal's chain, newest first. The reading is recorded before anything is returned, straight
 * into the log and not through AppendEvents: it leaves one event, and no reading of a reading.
 */
export function listEvents({ log, now = Date.now }: Deps): ServiceImpl<typeof AuditService>['listEvents'] {
  return async (request, context) => {
    const call = callContext(context);
    const chain = call.principal.tenantId;
    const filters = filtersOf(request);
    const tokens = pageTokensOf(JSON.stringify([chain ?? '', filters]), positionShape);
    const pageSize = request.pageSize === 0 ? defaultPageSize : request.pageSize;
    const position = tokens.decode(request.pageToken);
    const before = position && BigInt(position.before);

    // One more than asked for tells whether there is a further page.
    const found = await log.list(chain, { ...filters, before, limit: pageSize + 1 });
    const page = found.slice(0, pageSize);
    await log.append(chain, [readingOf(call, page, now())]);

    const last = page.at(-1);
    const more = found.length > pageSize && last !== undefined;
    return {
      events: page.map(toWire),
      nextPageToken: more ? tokens.encode({ before: last.sequence.toString() }) : '',
    };
  };
}

function filtersOf(request: ListEventsRequest): Omit<EventQuery, 'limit' | 'before'> {
  const { occurredFrom, occurredBefore } = request;
  return {
    actorSubject: given(request.actorSubject),
    action: given(request.action),
    resourceId: given(request.resourceId),
    requestId: given(request.requestId),
    outcome: outcomeFromWire(request.outcome),
    occurredFromMs: occurredFrom && timestampMs(occurredFrom),
    occurredBeforeMs: occurredBefore && timestampMs(occurredBefore),
  };
}

function readingOf(call: CallContext, page: readonly AuditEvent[], nowMs: number): EventContent {
  const [newest, oldest] = [page[0], page.at(-1)];
  return {
    ...actorOf(call, 'audit'),
    eventId: uuidv7(),
    occurredAtMs: nowMs,
    action: 'audit-event.read',
    resourceType: 'audit-event',
    resourceIds: [],
    outcome: 'success',
    reason: '',
    requestId: call.requestId,
    attributes: {
      peer: call.peer,
      events: String(page.length),
      ...(newest && oldest ? { from_sequence: String(oldest.sequence), to_sequence: String(newest.sequence) } : {}),
    },
  };
}

function given(value: string): string | undefined {
  return value === '' ? undefined : value;
}
