/** How what was tried ended. */
export const outcomes = ['success', 'denied', 'failure'] as const;
export type AuditOutcome = (typeof outcomes)[number];

/** What an event says, before it has a place in a chain. Ids, counts and words of fixed lists; never content. */
export interface EventContent {
  /** UUIDv7, chosen by whoever reports the event. */
  readonly eventId: string;
  /** Tenant, or undefined for the platform. */
  readonly tenantId: string | undefined;
  /** Milliseconds since 1970. */
  readonly occurredAtMs: number;
  readonly actorSubject: string;
  readonly actorKind: string;
  readonly actorRoles: readonly string[];
  readonly purposeOfUse: string;
  /** Service that reported it. */
  readonly service: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceIds: readonly string[];
  readonly outcome: AuditOutcome;
  readonly reason: string;
  readonly requestId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Where an event stands in its chain. */
export interface ChainPlace {
  /** From 1, without gaps. */
  readonly sequence: bigint;
  /** Milliseconds since 1970, by the database's clock. */
  readonly recordedAtMs: number;
  /** SHA-256 of the event before it; 32 zero bytes for the first. */
  readonly previousHash: Uint8Array;
  /** SHA-256 over the canonical form. */
  readonly hash: Uint8Array;
}

/** An event as recorded. */
export interface AuditEvent extends EventContent, ChainPlace {}
