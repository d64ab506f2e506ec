/** Whole numbers as bytes: unsigned LEB128, the smaller the shorter. Up to 2^53 - 1. */

/** Bytes that grow as numbers are written. */
export interface ByteWriter {
  readonly length: number;
  byte(value: number): void;
  varint(value: number): void;
  /** A signed number: zigzag, then `varint`. */
  signed(value: number): void;
  bigint64(value: bigint): void;
  bytes(value: Uint8Array): void;
  /** What was written; the writer may go on. */
  finish(): Buffer;
}

export function createByteWriter(capacityBytes = 256): ByteWriter {
  let buffer = Buffer.allocUnsafe(capacityBytes);
  let length = 0;
  const room = (bytes: number): void => {
    if (length + bytes <= buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + bytes));
    buffer.copy(larger, 0, 0, length);
    buffer = larger;
  };
  const varint = (value: number): void => {
    room(8);
    let rest = value;
    while (rest >= 0x80) {
      buffer[length] = (rest % 0x80) | 0x80;
      length += 1;
      rest = Math.floor(rest / 0x80);
    }
    buffer[length] = rest;
    length += 1;
  };
  return {
    get length() {
      return length;
    },
    byte: (value) => {
      room(1);
      buffer[length] = value;
      length += 1;
    },
    varint,
    signed: (value) => {
      varint(value < 0 ? -2 * value - 1 : 2 * value);
    },
    bigint64: (value) => {
      room(8);
      length = buffer.writeBigInt64BE(value, length);
    },
    bytes: (value) => {
      room(value.length);
      buffer.set(value, length);
      length += value.length;
    },
    finish: () => Buffer.from(buffer.subarray(0, length)),
  };
}

/** A place in bytes that moves on as numbers are read. Reading past the end gives NaN, and NaN spreads: check at the end. */
export interface ByteReader {
  at: number;
  readonly data: Buffer;
}

export function readVarint(reader: ByteReader): number {
  const { data } = reader;
  let byte = data[reader.at] ?? Number.NaN;
  reader.at += 1;
  if (byte < 0x80) return byte;
  let value = byte & 0x7f;
  let scale = 0x80;
  while (byte >= 0x80) {
    byte = data[reader.at] ?? Number.NaN;
    reader.at += 1;
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
  }
  return Number.isNaN(byte) ? Number.NaN : value;
}

export function readSigned(reader: ByteReader): number {
  const value = readVarint(reader);
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}
