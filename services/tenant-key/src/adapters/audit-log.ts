/** The audit log, through audit's RPC, where the place in the chain is wanted. */
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { systemPrincipal } from '@wardstone/access';
import { AppError, asPrincipal, isTransient, type ServiceClient } from '@wardstone/rpc';
import { Outcome, type AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import type { AuditLog } from '../ports.ts';

const timeoutMs = 5_000;

export function createAuditLog(client: Pick<ServiceClient<typeof AuditService>, 'appendEvents'>): AuditLog {
  return {
    async append(tenantId, event) {
      const { occurredAt, resourceIds, attributes, ...rest } = event;
      const wire = {
        ...rest,
        occurredAt: timestampFromDate(occurredAt),
        resourceIds: [...resourceIds],
        attributes: { ...attributes },
        outcome: Outcome.SUCCESS,
      };
      const principal = systemPrincipal('tenant-key', tenantId);
      const { recorded } = await client
        .appendEvents({ events: [wire] }, asPrincipal(principal, { requestId: event.requestId, timeoutMs }))
        .catch((cause: unknown) => {
          throw new AppError(isTransient(AppError.from(cause).reason) ? 'AUDIT_UNAVAILABLE' : 'INTERNAL', { cause });
        });
      const [head] = recorded;
      if (head === undefined) throw new AppError('AUDIT_UNAVAILABLE');
      return { sequence: head.sequence, hash: head.hash };
    },
  };
}
