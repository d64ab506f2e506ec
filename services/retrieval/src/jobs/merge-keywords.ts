/** Folds the keyword rows of documents into the segments that searches read, and takes dead ones out. */
import type { EntityManager } from 'typeorm';
import {
  becomeMerger,
  type CountedPart,
  damagedVersions,
  forgetKeywords,
  type NewSegment,
  type OldSegment,
  readSegmentsToChange,
  removeSegments,
  settleMerge,
  takeDead,
  takeUnmerged,
  tenantsToMerge,
  unmergeAll,
  writeSegments,
} from '../db/keyword-merge.ts';
import { buryKeywords } from '../db/keywords.ts';
import {
  createSegmentWriter,
  DamagedPostings,
  type PostingGroup,
  readPart,
  readSegment,
  type SegmentWriter,
} from '../domain/postings.ts';
import type { Deps } from '../ports.ts';

type MergeDeps = Pick<Deps, 'database' | 'metrics' | 'log'>;

/** Work of one transaction at most. */
const maxParts = 128;
const maxChunks = 2_048;
const maxDeadParts = 128;
/** Terms whose segments are in memory at a time. */
const termsPerStep = 1_000;
/** A segment that is as long is full: longer ones cost more to rewrite, shorter ones more to read. */
const maxSegmentBytes = 8 * 1024;
/** Work of one pass at most. */
const maxTenantsPerPass = 100;
const maxBatchesPerTenant = 16;
const maxPassMs = 20_000;

export interface MergeOptions {
  /** A tenant with as many unmerged parts is merged at once: searches read all of them. */
  readonly minParts: number;
  /** Fewer are merged when they have waited so long. */
  readonly maxAgeMs: number;
}

/** What one transaction did. */
export interface MergeOutcome {
  readonly merged: number;
  readonly dropped: number;
}

/**
 * One pass over the tenants that have something to merge; gives the number of parts that were merged or dropped. Each batch
 * is one transaction under the tenant's lock: a kill at any instruction leaves the index as it was, and a
 * search sees each part once, merged or not. A tenant that cannot be merged is told of, and comes again with the next pass; the
 * others are merged all the same. Thrown: DATABASE_UNAVAILABLE, when it cannot be asked for tenants.
 */
export async function mergePass(deps: MergeDeps, options: MergeOptions, signal: AbortSignal): Promise<number> {
  const until = performance.now() + maxPassMs;
  const writtenBefore = new Date(Date.now() - options.maxAgeMs);
  const tenants = await deps.database.inPlatform((tx) =>
    tenantsToMerge(tx, { minParts: options.minParts, writtenBefore, maxTenants: maxTenantsPerPass }),
  );
  let done = 0;
  const isOver = (): boolean => signal.aborted || performance.now() > until;
  for (const tenantId of tenants) {
    if (isOver()) break;
    try {
      done += await mergeBatches(deps, tenantId, isOver);
    } catch (error) {
      deps.metrics.mergeFailed();
      deps.log.warn({ err: error, tenantId }, 'postings of a tenant could not be merged');
    }
  }
  return done;
}

async function mergeBatches(deps: MergeDeps, tenantId: string, isOver: () => boolean): Promise<number> {
  let done = 0;
  for (let batch = 0; batch < maxBatchesPerTenant && !isOver(); batch += 1) {
    const { merged, dropped } = await mergeTenant(deps, tenantId);
    if (merged + dropped === 0) break;
    done += merged + dropped;
  }
  return done;
}

/** One batch of one tenant. Nothing is done when another process is at it. Thrown: DATABASE_UNAVAILABLE. */
export async function mergeTenant(deps: MergeDeps, tenantId: string): Promise<MergeOutcome> {
  const nothing = { merged: 0, dropped: 0 };
  try {
    const outcome = await deps.database.inTenant(tenantId, async (tx) => {
      if (!(await becomeMerger(tx, tenantId))) return nothing;
      for (const version of await damagedVersions(tx, tenantId)) await unmergeAll(tx, tenantId, version);
      return mergeBatch(deps, tx, tenantId);
    });
    deps.metrics.merged(outcome.merged, outcome.dropped);
    return outcome;
  } catch (error) {
    if (!(error instanceof DamagedSegments)) throw error;
    deps.log.error({ tenantId, termsKeyVersion: error.termsKeyVersion }, 'segments are damaged and are made anew');
    await deps.database.inTenant(tenantId, async (tx) => {
      if (await becomeMerger(tx, tenantId)) await unmergeAll(tx, tenantId, error.termsKeyVersion);
    });
    return { merged: 0, dropped: 1 };
  }
}

class DamagedSegments extends Error {
  readonly termsKeyVersion: number;

  constructor(termsKeyVersion: number) {
    super('segments are damaged');
    this.termsKeyVersion = termsKeyVersion;
  }
}

/** What happens to the postings of one term. */
interface Change {
  readonly added: [docNo: number, group: PostingGroup][];
  isDropped: boolean;
}

async function mergeBatch(deps: MergeDeps, tx: EntityManager, tenantId: string): Promise<MergeOutcome> {
  const dead = await takeDead(tx, tenantId, maxDeadParts);
  const fresh = await takeUnmerged(tx, tenantId, { maxParts, maxChunks });
  if (dead.length + fresh.length === 0) return { merged: 0, dropped: 0 };
  const changes = new Map<number, Map<string, Change>>();
  const merged = fresh.filter((part) => collect(changes, part, 'add'));
  const damaged = new Set(fresh.filter((part) => !merged.includes(part)).map(({ documentId }) => documentId));
  for (const part of dead) if (!collect(changes, part, 'drop')) throw new DamagedSegments(part.termsKeyVersion);
  const dropped = new Set(dead.map(({ docNo }) => docNo));
  for (const [version, byTerm] of changes) {
    const terms = [...byTerm];
    for (let at = 0; at < terms.length; at += termsPerStep) {
      await changeSegments(tx, tenantId, version, new Map(terms.slice(at, at + termsPerStep)), dropped);
    }
  }
  await settleMerge(tx, tenantId, merged, dead);
  for (const documentId of damaged) {
    deps.log.error({ documentId }, 'postings of a document could not be read and are made anew');
    await buryKeywords(tx, { tenantId, documentId });
    await forgetKeywords(tx, tenantId, documentId);
  }
  return { merged: fresh.length, dropped: dead.length };
}

/** Notes what a part does to each of its terms; false when it cannot be read. */
function collect(changes: Map<number, Map<string, Change>>, part: CountedPart, what: 'add' | 'drop'): boolean {
  let byTerm = changes.get(part.termsKeyVersion);
  if (byTerm === undefined) changes.set(part.termsKeyVersion, (byTerm = new Map<string, Change>()));
  const known = byTerm;
  try {
    readPart(part, part.postings, undefined, (term, group) => {
      const key = String(term);
      let change = known.get(key);
      if (change === undefined) known.set(key, (change = { added: [], isDropped: false }));
      if (what === 'drop') change.isDropped = true;
      else change.added.push([part.docNo, copyOf(group)]);
    });
    return true;
  } catch (error) {
    if (error instanceof DamagedPostings) return false;
    throw error;
  }
}

function copyOf({ count, ordinals, frequencies, lengths }: PostingGroup): PostingGroup {
  return {
    count,
    ordinals: ordinals.slice(0, count),
    frequencies: frequencies.slice(0, count),
    lengths: lengths.slice(0, count),
  };
}

async function changeSegments(
  tx: EntityManager,
  tenantId: string,
  version: number,
  changes: ReadonlyMap<string, Change>,
  dropped: ReadonlySet<number>,
): Promise<void> {
  const terms = [...changes.keys()];
  const dropTerms = terms.filter((term) => changes.get(term)?.isDropped === true);
  const old = await readSegmentsToChange(tx, tenantId, version, { terms, dropTerms, dropped: [...dropped] });
  const emptied: { term: string; segment: number }[] = [];
  const written: NewSegment[] = [];
  const lastOf = new Map(old.filter(({ isLast }) => isLast).map((row) => [row.term, row]));
  for (const row of old) {
    if (row.isLast) continue;
    const { writer, isChanged } = rewritten(row, dropped);
    if (!isChanged) continue;
    if (writer.firstDocNo === -1) emptied.push(row);
    else written.push(finished(writer, row));
  }
  for (const [term, { added }] of changes) {
    const last = lastOf.get(term);
    const { writer, isChanged } =
      last === undefined ? { writer: createSegmentWriter(), isChanged: false } : rewritten(last, dropped);
    if (added.length === 0 && !isChanged) continue;
    const place = { termsKeyVersion: version, term, segment: last?.segment ?? 0 };
    const grown = grow(writer, place, added);
    written.push(...grown);
    if (grown.length === 0) emptied.push(place);
  }
  await removeSegments(tx, tenantId, version, emptied);
  await writeSegments(tx, tenantId, version, written);
}

/** The segment without the parts that are dropped. Thrown: DamagedSegments. */
function rewritten(row: OldSegment, dropped: ReadonlySet<number>): { writer: SegmentWriter; isChanged: boolean } {
  const writer = createSegmentWriter();
  let isChanged = false;
  try {
    readSegment(row, row.postings, (docNo, group) => {
      if (dropped.has(docNo)) isChanged = true;
      else writer.add(docNo, group);
    });
  } catch (error) {
    throw error instanceof DamagedPostings ? new DamagedSegments(row.termsKeyVersion) : error;
  }
  return { writer, isChanged };
}

type Place = Pick<OldSegment, 'termsKeyVersion' | 'term' | 'segment'>;

/** Adds groups to a segment, and begins the next one when it is full. */
function grow(first: SegmentWriter, place: Place, added: Change['added']): NewSegment[] {
  const segments: NewSegment[] = [];
  let writer = first;
  let { segment } = place;
  for (const [docNo, group] of added) {
    if (writer.length >= maxSegmentBytes) {
      segments.push(finished(writer, { ...place, segment }));
      writer = createSegmentWriter();
      segment += 1;
    }
    writer.add(docNo, group);
  }
  if (writer.firstDocNo !== -1) segments.push(finished(writer, { ...place, segment }));
  return segments;
}

function finished(writer: SegmentWriter, { termsKeyVersion, term, segment }: Place): NewSegment {
  const { firstDocNo, lastDocNo } = writer;
  return { term, segment, firstDocNo, lastDocNo, postings: writer.finish({ termsKeyVersion, term, segment }) };
}
