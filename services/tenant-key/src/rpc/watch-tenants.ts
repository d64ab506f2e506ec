import { callContext, drainingSignal, AppError } from '@wardstone/rpc';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  TenantStatusSchema,
  WatchTenantsResponseSchema,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { closedTenants } from '../db/tenants.ts';
import type { Tenant } from '../domain/tenant.ts';
import type { TenantChanges } from '../ports.ts';
import { toWireState } from '../wire.ts';
import type { Deps, WorkHandlers } from './deps.ts';

type WatchDeps = Pick<Deps, 'database' | 'tenants' | 'changes'> & { readonly heartbeatMs: number };
type Response = MessageInitShape<typeof WatchTenantsResponseSchema>;

const pageSize = 500;
/** Tenants that may have changed while the caller was not reading; beyond that it begins anew. */
const maxPending = 10_000;

/**
 * Every tenant that is not active, then changes. Subscribed before the first look, so that no change falls in between.
 * Where announcements may have been lost the stream ends: the caller opens it again, and its beginning tells all.
 */
export function watchTenants(deps: WatchDeps): WorkHandlers['watchTenants'] {
  return async function* (_request, ctx) {
    const ended = AbortSignal.any([callContext(ctx).signal, drainingSignal(ctx)]);
    const news = new News(deps.changes, deps.heartbeatMs, ended);
    try {
      yield* closed(deps);
      yield { event: { case: 'snapshotComplete', value: {} } };
      for (let pending = await news.next(); pending !== undefined; pending = await news.next()) {
        if (pending.length === 0) yield { event: { case: 'heartbeat', value: {} } };
        for (const tenantId of pending) {
          const tenant = await deps.tenants.find(tenantId);
          if (tenant !== undefined) yield statusOf(tenant);
        }
      }
    } finally {
      news.close();
    }
  };
}

async function* closed({ database }: Pick<WatchDeps, 'database'>): AsyncGenerator<Response> {
  let after: string | undefined;
  for (;;) {
    const page = await database.inPlatform((tx) => closedTenants(tx, { after, limit: pageSize }));
    for (const tenant of page) yield statusOf(tenant);
    if (page.length < pageSize) return;
    after = page.at(-1)?.tenantId;
  }
}

function statusOf({ tenantId, state, keyVersion }: Pick<Tenant, 'tenantId' | 'state' | 'keyVersion'>): Response {
  const value: MessageInitShape<typeof TenantStatusSchema> = { tenantId, state: toWireState(state), keyVersion };
  return { event: { case: 'tenant', value } };
}

/** Announcements as something to wait for; several of one tenant while nobody waits count as one. */
class News {
  readonly #pending = new Set<string>();
  readonly #unsubscribe: () => void;
  readonly #heartbeatMs: number;
  readonly #ended: AbortSignal;
  #over = false;
  #wake: (() => void) | undefined;
  readonly #end = (): void => {
    this.#over = true;
    this.#wake?.();
  };

  constructor(changes: TenantChanges, heartbeatMs: number, ended: AbortSignal) {
    this.#heartbeatMs = heartbeatMs;
    this.#ended = ended;
    ended.addEventListener('abort', this.#end);
    this.#unsubscribe = changes.subscribe({
      onChange: (tenantId) => {
        this.#pending.add(tenantId);
        this.#wake?.();
      },
      onGap: this.#end,
    });
  }

  /** Tenants that changed; none when it is time for a heartbeat; undefined when the stream is over. */
  async next(): Promise<readonly string[] | undefined> {
    if (this.#pending.size === 0 && !this.#over && !this.#ended.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#heartbeatMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    if (this.#over || this.#ended.aborted) return undefined;
    if (this.#pending.size > maxPending) throw new AppError('RATE_LIMITED');
    const changed = [...this.#pending];
    this.#pending.clear();
    return changed;
  }

  close(): void {
    this.#unsubscribe();
    this.#ended.removeEventListener('abort', this.#end);
    this.#wake?.();
  }
}
