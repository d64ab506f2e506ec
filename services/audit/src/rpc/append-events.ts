import type { ServiceImpl } from '@connectrpc/connect';
import { callContext } from '@wardstone/rpc';
import type { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import type { Metrics } from '../metrics.ts';
import type { EventLog } from '../ports.ts';
import { fromWire } from './wire.ts';

interface Deps {
  readonly log: Pick<EventLog, 'append'>;
  readonly metrics: Pick<Metrics, 'recorded'>;
}

/** Appends events to the chain of the principal's tenant, or of the platform, and answers when they are durable. */
export function appendEvents({ log, metrics }: Deps): ServiceImpl<typeof AuditService>['appendEvents'] {
  return async (request, context) => {
    const call = callContext(context);
    const contents = request.events.map((event) => fromWire(event, call));
    const events = await log.append(call.principal.tenantId, contents);
    for (const { service, outcome } of events) metrics.recorded.inc({ service, outcome });
    return { recorded: events.map(({ eventId, sequence, hash }) => ({ eventId, sequence, hash })) };
  };
}
