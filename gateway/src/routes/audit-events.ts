import { needs } from '@wardstone/rpc';
import { AuditService, Outcome, OutcomeSchema } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import type { RouteDeps } from '../deps.ts';
import { type Route, route } from '../route.ts';
import { auditEventPageSchema, auditEventQuery } from '../schemas/audit-event.ts';
import { maxPageTokenChars, page } from '../schemas/page.ts';
import { toAuditEvent } from '../wire/audit-event.ts';
import { enumValue } from '../wire/enums.ts';
import { fromInstant } from '../wire/timestamp.ts';

/** Listing who did what. */
export function auditEventsRoute({ services: { audit } }: Pick<RouteDeps, 'services'>): Route {
  return route({
    method: 'GET',
    path: '/v1/audit-events',
    access: { rpc: AuditService.method.listEvents },
    operationId: 'listAuditEvents',
    summary: 'List audit events',
    description: "The tenant's events, newest first; the platform's own for an administrator of the platform.",
    tag: 'Audit',
    query: auditEventQuery,
    success: { status: 200, description: 'A page of events.', json: auditEventPageSchema, name: 'AuditEventPage' },
    problems: ['PAGE_TOKEN_INVALID', 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ query, as }) => {
      const { pageSize = 0, pageToken = '', outcome, occurredFrom, occurredBefore, ...exact } = query;
      needs(pageToken.length <= maxPageTokenChars, 'PAGE_TOKEN_INVALID');
      const { events, nextPageToken } = await audit.listEvents(
        {
          pageSize,
          pageToken,
          actorSubject: exact.actorSubject ?? '',
          action: exact.action ?? '',
          resourceId: exact.resourceId ?? '',
          requestId: exact.requestId ?? '',
          outcome: outcome === undefined ? Outcome.UNSPECIFIED : enumValue<Outcome>(OutcomeSchema, outcome),
          ...(occurredFrom === undefined ? {} : { occurredFrom: fromInstant(occurredFrom) }),
          ...(occurredBefore === undefined ? {} : { occurredBefore: fromInstant(occurredBefore) }),
        },
        as(),
      );
      return page(events.map(toAuditEvent), nextPageToken);
    },
  });
}
