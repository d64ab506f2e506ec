/** Who may use a process next: tenants take turns, and none holds more than its share while another waits. */
import { AppError } from '@wardstone/rpc';

export interface SlotOptions {
  /** Slots that are taken at the same time. */
  readonly slots: number;
  /** Slots that a tenant may hold while another one that holds fewer waits; at least 1. */
  readonly perTenant: number;
}

export interface FairSlots {
  /** Waits for a slot. Thrown: AppError CANCELLED when the signal fires first, SERVICE_UNAVAILABLE when closed. */
  take(tenantId: string, signal: AbortSignal): Promise<void>;
  /** Gives back a slot that `take` gave. */
  leave(tenantId: string): void;
  /** How many wait. */
  waiting(): number;
  /** Ends all waiting. */
  close(): void;
}

interface Waiter {
  admit(): void;
  refuse(reason: 'CANCELLED' | 'SERVICE_UNAVAILABLE'): void;
}

interface Tenant {
  held: number;
  /** When it was last admitted, in admissions: who waits longest since has the next turn. */
  lastTurn: number;
  readonly waiters: Set<Waiter>;
}

/**
 * A free slot is never left empty while somebody waits. It goes to a tenant under its share if one waits, else to one that
 * holds the fewest; among these, to the one whose last turn is longest ago. Within a tenant, who came first goes first.
 */
export function createFairSlots({ slots, perTenant }: SlotOptions): FairSlots {
  /** Those alone who hold a slot or wait for one. */
  const tenants = new Map<string, Tenant>();
  let held = 0;
  let turns = 0;
  let closed = false;

  function tenantOf(tenantId: string): Tenant {
    let tenant = tenants.get(tenantId);
    if (tenant === undefined) {
      // Before those who were served just now; behind those who have waited since, however many new ones come.
      tenant = { held: 0, lastTurn: turns - slots, waiters: new Set() };
      tenants.set(tenantId, tenant);
    }
    return tenant;
  }

  function forget(tenantId: string, tenant: Tenant): void {
    if (tenant.held === 0 && tenant.waiters.size === 0) tenants.delete(tenantId);
  }

  function admit(tenant: Tenant): void {
    held += 1;
    turns += 1;
    tenant.held += 1;
    tenant.lastTurn = turns;
  }

  /** What counts against a tenant: nothing until its share is reached. */
  const excess = (tenant: Tenant): number => (tenant.held < perTenant ? 0 : tenant.held);

  function next(): Tenant | undefined {
    let best: Tenant | undefined;
    for (const tenant of tenants.values()) {
      if (tenant.waiters.size === 0) continue;
      const order = best === undefined ? -1 : excess(tenant) - excess(best) || tenant.lastTurn - best.lastTurn;
      if (order < 0) best = tenant;
    }
    return best;
  }

  function wait(tenantId: string, tenant: Tenant, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stopWaiting = (): void => {
        tenant.waiters.delete(waiter);
        signal.removeEventListener('abort', abort);
      };
      const waiter: Waiter = {
        admit: () => {
          stopWaiting();
          admit(tenant);
          resolve();
        },
        refuse: (reason) => {
          stopWaiting();
          forget(tenantId, tenant);
          reject(new AppError(reason));
        },
      };
      const abort = (): void => {
        waiter.refuse('CANCELLED');
      };
      tenant.waiters.add(waiter);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  return {
    async take(tenantId, signal) {
      if (closed) throw new AppError('SERVICE_UNAVAILABLE');
      if (signal.aborted) throw new AppError('CANCELLED');
      const tenant = tenantOf(tenantId);
      if (held < slots) admit(tenant);
      else await wait(tenantId, tenant, signal);
    },
    leave(tenantId) {
      const tenant = tenantOf(tenantId);
      tenant.held -= 1;
      held -= 1;
      const [waiter] = next()?.waiters ?? [];
      waiter?.admit();
      forget(tenantId, tenant);
    },
    waiting: () => [...tenants.values()].reduce((sum, tenant) => sum + tenant.waiters.size, 0),
    close() {
      closed = true;
      for (const tenant of [...tenants.values()]) {
        for (const waiter of [...tenant.waiters]) waiter.refuse('SERVICE_UNAVAILABLE');
      }
    },
  };
}
