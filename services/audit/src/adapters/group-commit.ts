import { AppError } from '@wardstone/rpc';
import { isUnavailable } from '@wardstone/db';
import type { AuditEvent, EventContent } from '../domain/audit-event.ts';
import type { AppendResult, Chain, ChainStore } from '../ports.ts';

export interface GroupCommitOptions {
  readonly store: ChainStore;
  /** Told of every transaction: how many appends it carried. */
  readonly onCommit?: (appends: number) => void;
  /** Events in one transaction at most, unless a single append has more; 500 unless told. */
  readonly maxEventsTogether?: number;
  /** Events that may wait in this process; 10,000 unless told. More are refused with AUDIT_UNAVAILABLE. */
  readonly maxWaitingEvents?: number;
}

interface Waiting {
  readonly contents: readonly EventContent[];
  readonly resolve: (events: AuditEvent[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Appends to chains, committed in groups. */
export interface GroupCommit {
  append(chain: Chain, contents: readonly EventContent[]): Promise<AuditEvent[]>;
}

/**
 * Group commit: while one transaction of a chain runs, further appends of that chain gather, and go together in the next.
 * A chain has one writer at a time anyway (its head is locked), so that under load the cost of a commit is shared by all who
 * wait for it, and without load nobody waits.
 */
export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { store, maxEventsTogether = 500, maxWaitingEvents = 10_000 } = options;
  const queues = new Map<Chain, Waiting[]>();
  let waitingEvents = 0;

  /** Commits group after group until nothing of the chain waits. */
  async function drain(chain: Chain, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      const group = takeGroup(queue, maxEventsTogether);
      options.onCommit?.(group.length);
      const results = await commit(store, chain, group);
      group.forEach((waiting, index) => {
        waitingEvents -= waiting.contents.length;
        const result = results[index] ?? { error: new AppError('INTERNAL') };
        if ('error' in result) waiting.reject(result.error);
        else waiting.resolve(result.events);
      });
    }
    queues.delete(chain);
  }

  return {
    append: async (chain, contents) => {
      if (waitingEvents + contents.length > maxWaitingEvents) throw new AppError('AUDIT_UNAVAILABLE');
      waitingEvents += contents.length;
      return new Promise((resolve, reject) => {
        const waiting = { contents, resolve, reject };
        const running = queues.get(chain);
        if (running !== undefined) {
          running.push(waiting);
          return;
        }
        const queue = [waiting];
        queues.set(chain, queue);
        void drain(chain, queue);
      });
    },
  };
}

function takeGroup(queue: Waiting[], maxEvents: number): Waiting[] {
  let [events, length] = [0, 0];
  for (const { contents } of queue) {
    if (length > 0 && events + contents.length > maxEvents) break;
    events += contents.length;
    length += 1;
  }
  return queue.splice(0, length);
}

/** A failure that is not the database's is tried again one by one, so that one append cannot fail its neighbours'. */
async function commit(store: ChainStore, chain: Chain, group: readonly Waiting[]): Promise<AppendResult[]> {
  try {
    return await store.appendTogether(
      chain,
      group.map(({ contents }) => contents),
    );
  } catch (error) {
    const away = isUnavailable(error) || (error instanceof AppError && error.reason === 'DATABASE_UNAVAILABLE');
    if (away || group.length === 1) return group.map(() => ({ error }));
  }
  const results: AppendResult[] = [];
  for (const waiting of group) results.push(...(await commit(store, chain, [waiting])));
  return results;
}
