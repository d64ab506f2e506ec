/** How long conversations are kept, and how much of them. */

export interface Retention {
  /** Conversations of one owner. */
  readonly maxConversations: number;
  /** Turns of one conversation; the oldest go first. */
  readonly maxTurns: number;
  /** A conversation that was not used for so long is gone; undefined: none is for its age. */
  readonly maxAgeMs: number | undefined;
}

/** The instant since when a conversation has to have been used to be there; undefined without a bound. */
export function usedSince({ maxAgeMs }: Pick<Retention, 'maxAgeMs'>, now: Date = new Date()): Date | undefined {
  return maxAgeMs === undefined ? undefined : new Date(now.getTime() - maxAgeMs);
}
