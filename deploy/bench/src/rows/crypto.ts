import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Readable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  createKeyRing,
  createVectorTransform,
  open,
  openStream,
  seal,
  sealStream,
  type KeyRing,
  type SealContext,
} from '@wardstone/crypto';
import type { Bench, Measured, Row } from '../row.ts';
import { alternateMedians, secondsOf } from '../statistics.ts';

const rounds = 5;
const mebibyte = 1024 * 1024;
const valueBytes = 1024;
const valuesPerRound = 4_000;
const streamBytes = 64 * mebibyte;
const pieceBytes = 256 * 1024;
const hitsPerRound = 100_000;
const vectorsPerRound = 5_000;
const dimensions = 1024;
const ivBytes = 12;
const context: SealContext = {
  tenantId: '01970000-0000-7000-8000-00000000000a',
  resource: '01970000-0000-7000-8000-00000000000b',
  field: 'text',
};

/** Sealing and opening, the key cache and the transform of vectors, each on one thread beside its bare counterpart. */
export const cryptoRow: Row = {
  name: 'crypto',
  measure: async ({ progress, signal }: Bench) => {
    const key = randomBytes(32);
    const ring = ringOf(key);
    const lines: Measured[] = [];
    for (const [name, measure] of Object.entries(measures)) {
      signal.throwIfAborted();
      progress(`crypto: ${String(rounds + 1)} rounds of the ${name}`);
      lines.push(...(await measure(ring, key)));
    }
    await ring.close();
    return lines;
  },
};

type Measure = (ring: KeyRing, key: Uint8Array) => Promise<readonly Measured[]>;

function ringOf(key: Uint8Array): KeyRing {
  return createKeyRing({
    fetch: (_tenantId, _purpose, version) =>
      Promise.resolve({ key: Uint8Array.from(key), version: version || 1, currentVersion: 1, maxAgeMs: 3_600_000 }),
  });
}

const measureValues: Measure = async (ring, key) => {
  const text = randomBytes(valueBytes / 2).toString('hex');
  const sealed = await seal(ring, 'content', context, text);
  const bare = bareSeal(key, Buffer.from(text));
  const volume = (valuesPerRound * valueBytes) / mebibyte;
  const [sealing, bareSealing, opening, bareOpening] = await alternateMedians(rounds, [
    () => rate(volume, () => repeat(valuesPerRound, () => seal(ring, 'content', context, text))),
    () => rate(volume, () => repeat(valuesPerRound, () => bareSeal(key, Buffer.from(text)))),
    () => rate(volume, () => repeat(valuesPerRound, () => open(ring, 'content', context, sealed))),
    () => rate(volume, () => repeat(valuesPerRound, () => bareOpen(key, bare).toString())),
  ]);
  const note = 'one after the other; key from the cache, JWE, context';
  return [
    throughput('seal, values of 1 KiB', sealing, bareSealing, note),
    throughput('open, values of 1 KiB', opening, bareOpening, note),
  ];
};

const measureStreams: Measure = async (ring, key) => {
  const piece = randomBytes(pieceBytes);
  const clear = Array.from({ length: streamBytes / pieceBytes }, () => piece);
  const sealed = await collect(Readable.from(clear), await sealStream(ring, context));
  const bare = clear.map((part) => bareSeal(key, part));
  const volume = streamBytes / mebibyte;
  const [sealing, bareSealing, opening, bareOpening] = await alternateMedians(rounds, [
    () => rate(volume, async () => drain(Readable.from(clear), await sealStream(ring, context))),
    () => rate(volume, () => repeat(clear.length, () => bareSeal(key, piece))),
    () => rate(volume, () => drain(Readable.from(sealed), openStream(ring, context))),
    () => rate(volume, () => repeat(bare.length, (at) => bareOpen(key, bare[at] ?? bareSeal(key, piece)))),
  ]);
  const note = 'frames of 256 KiB on both sides';
  return [
    throughput('seal, a stream of 64 MiB', sealing, bareSealing, note),
    throughput('open, a stream of 64 MiB', opening, bareOpening, note),
  ];
};

const measureHits: Measure = async (ring, key) => {
  const held = new Map([[`${context.tenantId}/content`, key]]);
  const [hit, bare] = await alternateMedians(rounds, [
    () => microseconds(hitsPerRound, () => ring.current(context.tenantId, 'content')),
    () => microseconds(hitsPerRound, () => new Uint8Array(held.get(`${context.tenantId}/content`) ?? [])),
  ]);
  return [latency('key ring: current(), held', hit, bare, 'Map.get and a copy')];
};

const measureTransform: Measure = async (_ring, key) => {
  const transform = createVectorTransform(key, dimensions);
  const vector = Float32Array.from({ length: dimensions }, (_, at) => Math.sin(at));
  const [ours, bare] = await alternateMedians(rounds, [
    () => microseconds(vectorsPerRound, () => transform.apply(vector)),
    () => microseconds(vectorsPerRound, () => vector.slice()),
  ]);
  return [latency('transform of a vector of 1,024', ours, bare, 'a copy of the vector')];
};

const measures: Readonly<Record<string, Measure>> = {
  values: measureValues,
  streams: measureStreams,
  'key ring': measureHits,
  'transform of vectors': measureTransform,
};

interface BareSealed {
  readonly iv: Buffer;
  readonly bytes: Buffer;
  readonly tag: Buffer;
}

function bareSeal(key: Uint8Array, clear: Uint8Array): BareSealed {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const bytes = cipher.update(clear);
  cipher.final();
  return { iv, bytes, tag: cipher.getAuthTag() };
}

function bareOpen(key: Uint8Array, { iv, bytes, tag }: BareSealed): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAuthTag(tag);
  const clear = decipher.update(bytes);
  decipher.final();
  return clear;
}

/** Runs the work one time after the other; what it gives is awaited only where it is a promise. */
async function repeat(times: number, work: (at: number) => unknown): Promise<void> {
  for (let at = 0; at < times; at += 1) {
    const result = work(at);
    if (result instanceof Promise) await result;
  }
}

async function drain(source: Readable, through: Duplex): Promise<void> {
  await pipeline(source, through, async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) if (piece.length === 0) throw new Error('an empty piece');
  });
}

async function collect(source: Readable, through: Duplex): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  await pipeline(source, through, async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) parts.push(piece);
  });
  return parts;
}

/** Mebibytes a second. */
async function rate(mebibytes: number, work: () => Promise<void>): Promise<number> {
  return mebibytes / (await secondsOf(work));
}

async function microseconds(times: number, work: () => unknown): Promise<number> {
  return ((await secondsOf(() => repeat(times, work))) * 1_000_000) / times;
}

function throughput(what: string, ours = 0, bare = 0, note = ''): Measured {
  return { what, unit: 'MiB/s', better: 'higher', ours, bare, bareIs: 'AES-256-GCM of node:crypto', note };
}

function latency(what: string, ours = 0, bare = 0, bareIs = ''): Measured {
  return { what, unit: 'µs', better: 'lower', ours, bare, bareIs };
}
