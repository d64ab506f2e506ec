import type { OnDenied } from '@wardstone/access';
import { v7 as uuidv7 } from 'uuid';
import type { EventLog } from './ports.ts';
import { actorOf } from './rpc/wire.ts';

interface Deps {
  readonly log: Pick<EventLog, 'append'>;
  readonly requestId: () => string;
  readonly onFailure: (error: unknown, method: string) => void;
  readonly now?: () => number;
}

/** Records this service's own denials, straight into the log. Best effort: a denial returns no data. */
export function recordDenials({ log, requestId, onFailure, now = Date.now }: Deps): OnDenied {
  return async ({ principal, peer, method, resource, action, reason }) => {
    try {
      await log.append(principal.tenantId, [
        {
          ...actorOf({ principal }, 'audit'),
          eventId: uuidv7(),
          occurredAtMs: now(),
          action: `${resource}.${action}`,
          resourceType: resource,
          resourceIds: [],
          outcome: 'denied',
          reason,
          requestId: requestId(),
          attributes: { peer, method },
        },
      ]);
    } catch (error) {
      onFailure(error, method);
    }
  };
}
