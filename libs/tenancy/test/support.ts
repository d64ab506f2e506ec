/** A tenant-key that says what a test tells it to, behind the real chain of interceptors, in memory. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { systemPrincipal } from '@wardstone/access';
import {
  AppError,
  callContext,
  createInMemoryTransport,
  createServiceClient,
  type ServiceClient,
} from '@wardstone/rpc';
import type { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import {
  type TenantWork,
  type TenantWorkKind,
  TenantWorkService,
  type WatchTenantsResponseSchema,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { createTelemetry, type Telemetry } from '@wardstone/telemetry';

type Message = MessageInitShape<typeof WatchTenantsResponseSchema>;

/** What a holder reported, with numbers for the wire's 64-bit counts. */
export interface Reported {
  readonly tenantId: string | undefined;
  readonly workId: string;
  readonly kind: TenantWorkKind;
  readonly documentsDone: number;
  readonly documentsLeft: number;
  readonly removed: Readonly<Record<string, number>>;
}

export interface ToldTenantKey {
  readonly client: ServiceClient<typeof TenantWorkService>;
  readonly telemetry: Telemetry;
  /** How many streams were opened. */
  readonly opened: () => number;
  /** Says something on the stream that is open. */
  say(message: Message): void;
  /** Ends the stream that is open. */
  hangUp(): void;
  /** New streams fail. */
  away: boolean;
  /** What new streams begin with. */
  snapshot: Message[];
  work: MessageInitShape<typeof TenantWorkService.method.listTenantWork.output>['work'];
  /** Work ids, in the order in which they were begun. */
  readonly begun: string[];
  readonly reports: Reported[];
  close(): Promise<void>;
}

export function statusOf(tenantId: string, state: TenantState, keyVersion = 1): Message {
  return { event: { case: 'tenant', value: { tenantId, state, keyVersion } } };
}

export const snapshotComplete: Message = { event: { case: 'snapshotComplete', value: {} } };

export function tellTenantKey(): ToldTenantKey {
  const telemetry = createTelemetry({ service: 'tenancy-test', version: 'test', logLevel: 'silent' });
  let opened = 0;
  let queue: (Message | undefined)[] = [];
  let wake: (() => void) | undefined;
  const push = (message: Message | undefined): void => {
    queue.push(message);
    wake?.();
  };
  const told: ToldTenantKey = {
    telemetry,
    opened: () => opened,
    say: push,
    hangUp: () => push(undefined),
    away: false,
    snapshot: [],
    work: [],
    begun: [],
    reports: [],
    client: createServiceClient(TenantWorkService, {
      baseUrl: '',
      audience: 'tenant-key',
      authorize: (principal) => Promise.resolve(principal.tenantId ?? 'platform'),
      transport: createInMemoryTransport({
        telemetry,
        callerCheck: ({ authorization }) => {
          const tenantId = authorization?.replace('Bearer ', '') ?? '';
          const principal = systemPrincipal('retrieval', tenantId === 'platform' ? neverATenant : tenantId);
          return Promise.resolve({ principal, peer: 'retrieval' });
        },
        routes: (router) => {
          router.service(TenantWorkService, {
            watchTenants: async function* (_request, ctx) {
              const { signal } = callContext(ctx);
              opened += 1;
              if (told.away) throw new AppError('DATABASE_UNAVAILABLE');
              queue = [...told.snapshot, snapshotComplete];
              signal.addEventListener('abort', () => wake?.());
              while (!signal.aborted) {
                if (queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
                if (queue.length === 0) continue;
                const message = queue.shift();
                if (message === undefined) return;
                yield message;
              }
            },
            listTenantWork: () => ({ work: told.work ?? [] }),
            beginTenantWork: ({ workId }) => {
              told.begun.push(workId);
              return {};
            },
            reportTenantWork: (request, ctx) => {
              const { tenantId } = callContext(ctx).principal;
              const removed = Object.fromEntries(Object.entries(request.removed).map(([key, n]) => [key, Number(n)]));
              const [documentsDone, documentsLeft] = [Number(request.documentsDone), Number(request.documentsLeft)];
              told.reports.push({
                tenantId,
                workId: request.workId,
                kind: request.kind,
                documentsDone,
                documentsLeft,
                removed,
              });
              return {};
            },
          });
        },
      }),
    }),
    close: () => telemetry.shutdown(),
  };
  return told;
}

const neverATenant = '00000000-0000-7000-8000-000000000000';

export type { TenantWork };
