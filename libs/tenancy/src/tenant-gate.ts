/**
 * Which tenants may not be used, as tenant-key tells it: a stream that every service listens to, so that a tenant that is
 * suspended or leaves is refused everywhere at once, and its keys leave this process' memory.
 *
 * Before the first word nobody is served: which tenants are closed is not known. While tenant-key is away later the last word
 * holds: keys that are held go on serving until they expire, which is the bound on how long a closed tenant can be served by a
 * process that did not hear of it.
 */
import { platformPrincipal, type TenantCheck } from '@wardstone/access';
import { AppError, asPrincipal, type Closable, pause, type ServiceClient } from '@wardstone/rpc';
import { TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { TenantStatus, TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import type { Logger } from '@wardstone/telemetry';

/** The keys that a process holds, from the side of revocation. */
export interface HeldKeys {
  /** Wipes every key of a tenant. */
  forget(tenantId: string): void;
  /** Asks again which version new writes use. */
  refresh(tenantId: string): void;
  /** Wipes everything. */
  clear(): void;
}

/** Refuses what tenants that are not active ask for; and everybody, SERVICE_UNAVAILABLE, before tenant-key has spoken once. */
export interface TenantGate extends TenantCheck, Closable {
  /** Resolves when tenant-key has spoken once. Thrown: SERVICE_UNAVAILABLE until then. */
  ready(): Promise<void>;
}

export interface TenantGateOptions {
  readonly client: Pick<ServiceClient<typeof TenantWorkService>, 'watchTenants'>;
  /** Name of the service that listens. */
  readonly service: string;
  readonly keys: HeldKeys;
  /**
   * Told after `keys.forget` of a tenant that is being offboarded, or has been: with every snapshot, so again and again, and with
   * the change itself. For what a process may drop of such a tenant before tenant-key has it purged; it must not throw.
   */
  readonly onLeaving?: (tenantId: string) => void;
  readonly log: Logger;
  /** A stream that is silent for so long is dead; tenant-key's heart beats every 10 s. */
  readonly silenceMs?: number;
  /** Pauses between two attempts grow up to this. */
  readonly maxRetryMs?: number;
  /** After a stream was lost, keys are asked for again within this time: not by all processes at once. */
  readonly clearSpreadMs?: number;
  /** From 0 to 1, for pauses. `Math.random` unless told. */
  readonly random?: () => number;
}

type Closed = 'TENANT_SUSPENDED' | 'TENANT_OFFBOARDING';

const firstRetryMs = 100;
const defaults = {
  silenceMs: 35_000,
  maxRetryMs: 5_000,
  clearSpreadMs: 5_000,
  random: Math.random,
  onLeaving: () => undefined,
};

/** Begins to listen. Does not wait: `ready` tells when it has heard enough to let anybody in. */
export function createTenantGate(given: TenantGateOptions): TenantGate {
  const options = { ...defaults, ...given };
  const { keys } = options;
  const ended = new AbortController();
  let closed = new Map<string, Closed>();
  let isReady = false;
  let clearing: NodeJS.Timeout | undefined;

  const take = ({ tenantId, state }: TenantStatus, into: Map<string, Closed>): void => {
    const refusal = refusalOf(state);
    if (refusal === undefined) into.delete(tenantId);
    else into.set(tenantId, refusal);
  };

  /** Its keys leave this process; what it may drop goes when it leaves for good, not when it is suspended. */
  const closeTenant = (tenantId: string, refusal: Closed): void => {
    keys.forget(tenantId);
    if (refusal === 'TENANT_OFFBOARDING') options.onLeaving(tenantId);
  };

  /** Versions that changed while nobody listened are not in a snapshot; keys are asked for again. */
  const clearSoon = (): void => {
    clearing ??= setTimeout(() => {
      clearing = undefined;
      keys.clear();
    }, options.clearSpreadMs * options.random());
  };

  /** One stream from its beginning to its end. */
  const listen = async (onWord: () => void, signal: AbortSignal): Promise<void> => {
    const principal = platformPrincipal(options.service);
    let snapshot: Map<string, Closed> | undefined = new Map();
    for await (const { event } of options.client.watchTenants({}, asPrincipal(principal, { signal }))) {
      onWord();
      if (event.case === 'snapshotComplete' && snapshot !== undefined) {
        closed = snapshot;
        snapshot = undefined;
        // Those of closed tenants go at once.
        for (const [tenantId, refusal] of closed) closeTenant(tenantId, refusal);
        if (isReady) clearSoon();
        isReady = true;
      } else if (event.case === 'tenant') {
        take(event.value, snapshot ?? closed);
        if (snapshot !== undefined) continue;
        const { tenantId } = event.value;
        const refusal = closed.get(tenantId);
        if (refusal === undefined) keys.refresh(tenantId);
        else closeTenant(tenantId, refusal);
      }
    }
  };

  const running = listenAgain(listen, { ...options, ended: ended.signal });
  return {
    ready: () => (isReady ? Promise.resolve() : Promise.reject(notReady())),
    check: (tenantId) => {
      if (!isReady) throw notReady();
      const refusal = closed.get(tenantId);
      if (refusal !== undefined) throw new AppError(refusal);
    },
    close: async () => {
      ended.abort();
      await running;
      clearTimeout(clearing);
    },
  };
}

function notReady(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', {
    cause: new Error('tenant-key has not told yet which tenants are closed'),
  });
}

function refusalOf(state: TenantState): Closed | undefined {
  if (state === TenantState.ACTIVE) return undefined;
  return state === TenantState.SUSPENDED ? 'TENANT_SUSPENDED' : 'TENANT_OFFBOARDING';
}

/** Streams one after the other until the end; a stream that fell silent is cut, and a failed one waits before the next. */
async function listenAgain(
  listen: (onWord: () => void, signal: AbortSignal) => Promise<void>,
  options: { silenceMs: number; maxRetryMs: number; random: () => number; log: Logger; ended: AbortSignal },
): Promise<void> {
  const { silenceMs, maxRetryMs, random, log, ended } = options;
  let retryMs = firstRetryMs;
  while (!ended.aborted) {
    const silent = new AbortController();
    let watchdog = setTimeout(() => silent.abort(), silenceMs);
    const onWord = (): void => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => silent.abort(), silenceMs);
      retryMs = firstRetryMs;
    };
    try {
      await listen(onWord, AbortSignal.any([ended, silent.signal]));
    } catch (error) {
      if (!ended.aborted) log.warn({ err: error }, 'tenants cannot be watched at the moment; the last word holds');
    } finally {
      clearTimeout(watchdog);
    }
    await pause(retryMs * (0.5 + random() / 2), ended);
    retryMs = Math.min(retryMs * 2, maxRetryMs);
  }
}
