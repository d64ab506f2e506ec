/**
 * The two formats of postings: a document's part, which a writer writes once, and a term's segment, which searches read. Both
 * hold numbers only, and end in a CRC-32 over themselves and the place they belong to: damage is noticed, and so is a row
 * that was put elsewhere. (Who can write to the database can forge one; what a search shows is sealed for that reason.)
 */
import { crc32 } from 'node:zlib';
import { type ByteReader, createByteWriter, readSigned, readVarint } from './bytes.ts';

/** Chunks of one part at most: it bounds what a writer, a merge and a search hold of one document at a time. */
export const maxPartChunks = 512;
const format = 1;
const checksumBytes = 4;

/** Bytes that are not what was written at this place. */
export class DamagedPostings extends Error {
  constructor() {
    super('postings are damaged');
    this.name = 'DamagedPostings';
  }
}

/** Postings of one term in one part: `count` chunks. The arrays are longer than that, and reused: copy what is kept. */
export interface PostingGroup {
  count: number;
  /** Positions of the chunks within the part, ascending. */
  readonly ordinals: Uint16Array;
  /** How often the term stands in each. */
  readonly frequencies: Uint32Array;
  /** How many terms each chunk has. */
  readonly lengths: Uint32Array;
}

/** A group that can hold any. */
export function newGroup(): PostingGroup {
  return {
    count: 0,
    ordinals: new Uint16Array(maxPartChunks),
    frequencies: new Uint32Array(maxPartChunks),
    lengths: new Uint32Array(maxPartChunks),
  };
}

/** Which part: it goes into the checksum. */
export interface PartPlace {
  readonly documentId: string;
  readonly version: number;
  readonly part: number;
  readonly termsKeyVersion: number;
}

/** A term's occurrences in a part: pairs of a chunk's position and a frequency, ascending by position. */
export type Occurrences = readonly (readonly [ordinal: number, frequency: number])[];

/** Writes a part. Terms are put in ascending order, which tells nothing of the order of the words. */
export function encodePart(
  place: PartPlace,
  lengths: readonly number[],
  terms: ReadonlyMap<bigint, Occurrences>,
): Buffer {
  const writer = createByteWriter(lengths.length * 1024);
  writer.byte(format);
  writer.varint(lengths.length);
  for (const length of lengths) writer.varint(length);
  writer.varint(terms.size);
  const ascending = [...terms].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [term, occurrences] of ascending) {
    const list = createByteWriter(16);
    let next = 0;
    for (const [ordinal, frequency] of occurrences) {
      list.varint(ordinal - next);
      list.varint(frequency);
      next = ordinal + 1;
    }
    writer.bigint64(term);
    writer.varint(list.length);
    writer.bytes(list.finish());
  }
  return withChecksum(writer.finish(), partText(place));
}

/**
 * Visits the terms of a part that `wanted` takes, in ascending order. `wanted` is asked with the upper half of the term
 * first, so that most are passed over without making a bigint. Thrown: DamagedPostings.
 */
export function readPart(
  place: PartPlace,
  data: Buffer,
  wanted: { hasUpperHalf(upper: number): boolean } | undefined,
  visit: (term: bigint, group: PostingGroup) => void,
): void {
  const reader: ByteReader = { data: checked(data, partText(place)), at: 1 };
  const chunks = readVarint(reader);
  ensure(chunks <= maxPartChunks);
  const lengths = new Uint32Array(chunks);
  for (let at = 0; at < chunks; at += 1) lengths[at] = readVarint(reader);
  const terms = readVarint(reader);
  const group = newGroup();
  for (let read = 0; read < terms; read += 1) {
    const start = reader.at;
    ensure(start + 8 < reader.data.length);
    reader.at += 8;
    const end = readVarint(reader) + reader.at;
    if (wanted !== undefined && !wanted.hasUpperHalf(reader.data.readInt32BE(start))) {
      reader.at = end;
      continue;
    }
    let next = 0;
    let count = 0;
    while (reader.at < end) {
      const ordinal = next + readVarint(reader);
      ensure(ordinal < chunks);
      group.ordinals[count] = ordinal;
      group.frequencies[count] = readVarint(reader);
      group.lengths[count] = lengths[ordinal] ?? 0;
      count += 1;
      next = ordinal + 1;
    }
    group.count = count;
    visit(reader.data.readBigInt64BE(start), group);
  }
  ensure(reader.at === reader.data.length);
}

/** Which segment: it goes into the checksum. */
export interface SegmentPlace {
  readonly termsKeyVersion: number;
  /** In decimal. */
  readonly term: string;
  readonly segment: number;
}

/** A segment as it is put together: groups in the order in which their parts were merged. */
export interface SegmentWriter {
  readonly length: number;
  /** Least and greatest number of a part in it; -1 while it is empty. */
  readonly firstDocNo: number;
  readonly lastDocNo: number;
  add(docNo: number, group: PostingGroup): void;
  finish(place: SegmentPlace): Buffer;
}

export function createSegmentWriter(): SegmentWriter {
  const writer = createByteWriter();
  writer.byte(format);
  let previous = 0;
  let [first, last] = [-1, -1];
  return {
    get length() {
      return writer.length + checksumBytes;
    },
    get firstDocNo() {
      return first;
    },
    get lastDocNo() {
      return last;
    },
    add(docNo, { count, ordinals, frequencies, lengths }) {
      writer.signed(docNo - previous);
      previous = docNo;
      first = first === -1 ? docNo : Math.min(first, docNo);
      last = Math.max(last, docNo);
      writer.varint(count);
      let next = 0;
      for (let at = 0; at < count; at += 1) {
        const ordinal = ordinals[at] ?? 0;
        writer.varint(ordinal - next);
        writer.varint(frequencies[at] ?? 0);
        writer.varint(lengths[at] ?? 0);
        next = ordinal + 1;
      }
    },
    finish: (place) => withChecksum(writer.finish(), segmentText(place)),
  };
}

/** Visits the groups of a segment in their order. Thrown: DamagedPostings. */
export function readSegment(
  place: SegmentPlace,
  data: Buffer,
  visit: (docNo: number, group: PostingGroup) => void,
): void {
  const reader: ByteReader = { data: checked(data, segmentText(place)), at: 1 };
  const group = newGroup();
  let docNo = 0;
  while (reader.at < reader.data.length) {
    docNo += readSigned(reader);
    const count = readVarint(reader);
    ensure(count <= maxPartChunks && docNo >= 0);
    let next = 0;
    for (let at = 0; at < count; at += 1) {
      const ordinal = next + readVarint(reader);
      group.ordinals[at] = ordinal;
      group.frequencies[at] = readVarint(reader);
      group.lengths[at] = readVarint(reader);
      next = ordinal + 1;
    }
    ensure(next <= maxPartChunks);
    group.count = count;
    visit(docNo, group);
  }
  ensure(reader.at === reader.data.length);
}

function partText({ documentId, version, part, termsKeyVersion }: PartPlace): string {
  return `part/${documentId}/${String(version)}/${String(part)}/${String(termsKeyVersion)}`;
}

function segmentText({ termsKeyVersion, term, segment }: SegmentPlace): string {
  return `segment/${String(termsKeyVersion)}/${term}/${String(segment)}`;
}

function withChecksum(data: Buffer, place: string): Buffer {
  const checksum = Buffer.alloc(checksumBytes);
  checksum.writeUInt32BE(crc32(data, crc32(place)));
  return Buffer.concat([data, checksum]);
}

function checked(data: Buffer, place: string): Buffer {
  ensure(data.length > checksumBytes);
  const body = data.subarray(0, data.length - checksumBytes);
  ensure(data.readUInt32BE(body.length) === crc32(body, crc32(place)) && body[0] === format);
  return body;
}

/** NaN, which reading past the end gives, holds no condition either. */
function ensure(condition: boolean): void {
  if (!condition) throw new DamagedPostings();
}
