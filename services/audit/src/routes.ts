import type { ConnectRouter } from '@connectrpc/connect';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import type { Metrics } from './metrics.ts';
import type { EventLog } from './ports.ts';
import { appendEvents } from './rpc/append-events.ts';
import { listEvents } from './rpc/list-events.ts';

/** The service's methods, one file each. */
export function routes(deps: { readonly log: EventLog; readonly metrics: Metrics }): (router: ConnectRouter) => void {
  return (router) => {
    router.service(AuditService, { appendEvents: appendEvents(deps), listEvents: listEvents(deps) });
  };
}
