import type { AuditEvent, AuditOutcome, EventContent } from './domain/audit-event.ts';

/** A tenant's chain, or the platform's. */
export type Chain = string | undefined;

/** Which of a chain's events to list. What is undefined does not filter. */
export interface EventQuery {
  readonly limit: number;
  /** Only events before this place. */
  readonly before: bigint | undefined;
  readonly actorSubject: string | undefined;
  readonly action: string | undefined;
  readonly resourceId: string | undefined;
  readonly outcome: AuditOutcome | undefined;
  readonly occurredFromMs: number | undefined;
  readonly occurredBeforeMs: number | undefined;
  readonly requestId: string | undefined;
}

/** The log as handlers need it. */
export interface EventLog {
  /**
   * Records events in order, all or none, and answers when they are durable. An event that was recorded before is answered
   * with its place. Thrown: IDEMPOTENCY_KEY_REUSED for an id that was recorded with another content; DATABASE_UNAVAILABLE;
   * AUDIT_UNAVAILABLE when too many wait.
   */
  append(chain: Chain, contents: readonly EventContent[]): Promise<AuditEvent[]>;
  /** Newest first. Thrown: DATABASE_UNAVAILABLE. */
  list(chain: Chain, query: EventQuery): Promise<AuditEvent[]>;
}

/** One caller's append among those that are committed together. */
export type AppendResult = { readonly events: AuditEvent[] } | { readonly error: unknown };

/** The store under the group commit: one transaction for appends of one chain. */
export interface ChainStore {
  /** One result for each append; an append that is refused leaves the others alone. */
  appendTogether(chain: Chain, appends: readonly (readonly EventContent[])[]): Promise<AppendResult[]>;
}

/** What verifying reads: which chains there are, and a chain from its beginning on. */
export interface ChainReader {
  /** Every chain with an event, the platform's included. Thrown: DATABASE_UNAVAILABLE. */
  chains(): Promise<Chain[]>;
  /** At most `limit` events behind a place, oldest first. Thrown: DATABASE_UNAVAILABLE. */
  after(chain: Chain, sequence: bigint, limit: number): Promise<AuditEvent[]>;
}
