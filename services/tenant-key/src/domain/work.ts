/** What a service has to do with a tenant's data: seal it again under the current version, or remove it. */
export type WorkKind = 'reseal' | 'purge';

/** A piece of work of one holder, as it is handed out. */
export interface OpenWork {
  /** Of the rotation or the offboarding. */
  readonly workId: string;
  readonly tenantId: string;
  readonly kind: WorkKind;
  /** To seal again: the version below which nothing may be left. */
  readonly keyVersion: number;
  /** To seal again: from when on nothing is written under an older version. */
  readonly settledAt: Date | undefined;
}

/** How far a holder is. */
export interface WorkProgress {
  readonly holder: string;
  readonly done: boolean;
  readonly documentsDone: number;
  readonly documentsLeft: number;
  /** What was removed, by kind. */
  readonly removed: Readonly<Record<string, number>>;
}

/** What a holder reports: since its last report, and what is left. */
export interface WorkReport {
  readonly workId: string;
  readonly holder: string;
  /** Unknown of a holder that does not say it: then the piece that is open is meant. */
  readonly kind: WorkKind | undefined;
  readonly documentsDone: number;
  /** 0: finished. */
  readonly documentsLeft: number;
  readonly removed: Readonly<Record<string, number>>;
}

/** Holders that have no such work: it was begun before they held anything. */
export function missingHolders(progress: readonly WorkProgress[], holders: readonly string[]): string[] {
  return holders.filter((name) => progress.every(({ holder }) => holder !== name));
}

/** Whether every one of the holders has finished: one that has no such work has not. */
export function isDoneBy(progress: readonly WorkProgress[], holders: readonly string[]): boolean {
  return holders.every((name) => progress.some(({ holder, done }) => holder === name && done));
}
