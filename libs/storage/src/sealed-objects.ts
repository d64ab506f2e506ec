/** Originals and artefacts of documents, sealed under the tenant's objects key whatever store holds them. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  keyVersionOfStream,
  openStream,
  sealStream,
  streamHeadBytes,
  type KeyRing,
  type SealContext,
} from '@wardstone/crypto';
import { AppError, needs } from '@wardstone/rpc';
import { parseJsonLines, toJsonLines } from './json-lines.ts';
import type { ObjectStore, PutOptions } from './object-store.ts';
import { untilAborted } from './until-aborted.ts';

/** One version of a document. */
export interface DocumentRef {
  readonly tenantId: string;
  readonly documentId: string;
  /** From 1. */
  readonly version: number;
}

/** Parts of `vectors` on their way, from 0, for a stage that is to find after a kill what it had finished. */
export type PartName = `${typeof partsName}/${number}`;

/** Names a sealed object: `tenants/{tenantId}/documents/{documentId}/{version}/{name}`. */
export interface ObjectRef extends DocumentRef {
  readonly name: 'original' | 'chunks' | 'vectors' | PartName;
}

const partsName = 'vectors-parts';
const namePattern = /^(original|chunks|vectors|vectors-parts\/(0|[1-9]\d{0,5}))$/;

/** What was written: of the clear bytes. */
export interface Written {
  readonly bytes: number;
  /** SHA-256, in hexadecimal. */
  readonly sha256: string;
  /** Version of the objects key that it is sealed under, from 1. */
  readonly keyVersion: number;
}

/** Reads and writes sealed objects in constant memory. Thrown by all: OBJECT_STORE_UNAVAILABLE; by reading and writing: KEY_UNAVAILABLE. */
export interface SealedObjects {
  /**
   * Seals and stores; replaces what was there, whole or not at all. What the source throws is thrown on, and nothing is
   * left behind; the same when the signal fires (CANCELLED). Thrown: OBJECT_CHANGED when `ifMatch` is given and is not
   * the tag of what is there: who reads, seals anew and writes back must not bring back what was deleted meanwhile.
   */
  write(ref: ObjectRef, source: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<Written>;
  /**
   * The clear bytes, each frame after its check; the stream ends with the error SEALED_VALUE_INVALID when it was altered or
   * cut off, so that only an end without error means that all of it came. Thrown: NOT_FOUND.
   */
  read(ref: ObjectRef, options?: { signal?: AbortSignal }): Promise<Readable>;
  /** Writes values as JSON lines. */
  writeJsonLines(
    ref: ObjectRef,
    values: AsyncIterable<unknown> | Iterable<unknown>,
    options?: { signal?: AbortSignal },
  ): Promise<Written>;
  /** Reads JSON lines; the values are unchecked: give them to the artefact's schema. Thrown while reading: as by `read`. */
  readJsonLines(ref: ObjectRef, options?: { signal?: AbortSignal }): AsyncIterable<unknown>;
  exists(ref: ObjectRef): Promise<boolean>;
  /** The tag of what is stored now, for `ifMatch`; undefined when there is none. */
  etag(ref: ObjectRef): Promise<string | undefined>;
  /**
   * The key version that a stored object names, from 1, read from its beginning without a key: nothing is proved by it.
   * Thrown: NOT_FOUND; SEALED_VALUE_INVALID when it begins as no sealed object does.
   */
  keyVersion(ref: ObjectRef): Promise<number>;
  /** Removes it; nothing happens when there is none. */
  remove(ref: ObjectRef): Promise<void>;
  /**
   * Removes what earlier writes left in a store that keeps versions: sealed under whatever key they were written with. What
   * readers see now stays.
   */
  removeReplaced(ref: ObjectRef): Promise<void>;
  /** Removes what the pipeline made of the document on its way, `chunks`, `vectors` and its parts: all but the original. */
  removeArtefacts(ref: DocumentRef): Promise<void>;
  /** Removes every object of every version of a document. Answers how many there were. */
  removeDocument(tenantId: string, documentId: string): Promise<number>;
  /** Removes every object of a tenant, whatever document it is of. Answers how many there were. */
  removeTenant(tenantId: string): Promise<number>;
  check(): Promise<void>;
}

/** What sealed objects are made of. */
export interface SealedObjectsOptions {
  readonly store: ObjectStore;
  readonly keys: KeyRing;
}

/** Sealed objects over a store and a ring. */
export function createSealedObjects({ store, keys }: SealedObjectsOptions): SealedObjects {
  const read: SealedObjects['read'] = async (ref, { signal } = {}) => {
    const stored = await store.get(keyOf(ref));
    const opener = openStream(keys, contextOf(ref));
    // The reader learns of every failure from the stream it holds; this promise only repeats it.
    pipeline(stored, opener, ...(signal === undefined ? [] : [{ signal }])).catch(() => undefined);
    return opener;
  };
  const write: SealedObjects['write'] = (ref, source, options = {}) => sealInto(store, keys, ref, source, options);
  return {
    read,
    write,
    writeJsonLines: (ref, values, options) => write(ref, toJsonLines(values), options),
    readJsonLines: async function* (ref, options) {
      yield* parseJsonLines(await read(ref, options));
    },
    exists: async (ref) => (await store.head(keyOf(ref))) !== undefined,
    etag: async (ref) => (await store.head(keyOf(ref)))?.etag,
    keyVersion: async (ref) => {
      const stored = await store.get(keyOf(ref));
      const head = new Head();
      // Leaving the loop closes the stored stream.
      for await (const chunk of stored as AsyncIterable<Uint8Array>) if (head.take(chunk)) break;
      return keyVersionOfStream(head.bytes());
    },
    remove: async (ref) => store.delete(keyOf(ref)),
    removeReplaced: async (ref) => {
      await store.deleteReplaced(keyOf(ref));
    },
    removeArtefacts: async (ref) => {
      for (const name of ['chunks', 'vectors'] as const) await store.delete(keyOf({ ...ref, name }));
      await store.deletePrefix(`${versionPrefix(ref)}/${partsName}`);
    },
    removeDocument: async (tenantId, documentId) => store.deletePrefix(documentPrefix(tenantId, documentId)),
    removeTenant: async (tenantId) => store.deletePrefix(tenantPrefix(tenantId)),
    check: () => store.check(),
  };
}

async function sealInto(
  store: ObjectStore,
  keys: KeyRing,
  ref: ObjectRef,
  source: AsyncIterable<Uint8Array>,
  { signal, ...condition }: PutOptions,
): Promise<Written> {
  const key = keyOf(ref);
  const sealer = await sealStream(keys, contextOf(ref));
  const measure = new Measure();
  const head = new Head();
  // Both sides run at once. When one fails the other is stopped, and what failed first is what is reported.
  const stop = new AbortController();
  const signals = signal === undefined ? [stop.signal] : [stop.signal, signal];
  const options = { ...condition, signal: AbortSignal.any(signals) };
  const failures: unknown[] = [];
  const failed = (error: unknown): void => {
    failures.push(error);
    stop.abort();
    sealer.destroy();
  };
  const pumping = pipeline(measure.read(untilAborted(source, options.signal)), sealer).catch(failed);
  const storing = store.put(key, head.read(sealer), options).catch(failed);
  await Promise.all([pumping, storing]);
  if (signal?.aborted === true) throw new AppError('CANCELLED');
  if (failures.length > 0) throw failures[0];
  return { ...measure.result(), keyVersion: keyVersionOfStream(head.bytes()) };
}

/** Counts and hashes what passes. */
class Measure {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  async *read(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#hash.update(chunk);
      this.#bytes += chunk.byteLength;
      yield chunk;
    }
  }

  result(): Omit<Written, 'keyVersion'> {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

/** Keeps the beginning of what passes, as far as it is needed to read the header of a sealed object. */
class Head {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** True when no more is needed. */
  take(chunk: Uint8Array): boolean {
    const missing = streamHeadBytes - this.#bytes;
    if (missing > 0) {
      // A copy: whoever made the chunk may use its memory again.
      this.#chunks.push(Uint8Array.from(chunk.subarray(0, missing)));
      this.#bytes += Math.min(chunk.byteLength, missing);
    }
    return this.#bytes >= streamHeadBytes;
  }

  async *read(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.take(chunk);
      yield chunk;
    }
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}

/** Where the object belongs, as its seal has it: a copy under another name, version, document or tenant does not open. */
function contextOf({ tenantId, documentId, version, name }: ObjectRef): SealContext {
  return { tenantId, resource: `${documentId}/${String(version)}`, field: name };
}

function keyOf({ name, ...ref }: ObjectRef): string {
  needs(namePattern.test(name), 'INTERNAL', { message: 'unknown object name' });
  return `${versionPrefix(ref)}/${name}`;
}

function versionPrefix({ tenantId, documentId, version }: DocumentRef): string {
  needs(Number.isSafeInteger(version) && version >= 1, 'INTERNAL', { message: 'an object version is a number from 1' });
  return `${documentPrefix(tenantId, documentId)}/${String(version)}`;
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function documentPrefix(tenantId: string, documentId: string): string {
  return `${tenantPrefix(tenantId)}/documents/${idOf(documentId)}`;
}

function tenantPrefix(tenantId: string): string {
  return `tenants/${idOf(tenantId)}`;
}

function idOf(id: string): string {
  needs(uuidPattern.test(id), 'INTERNAL', { message: 'tenant and document ids are lower-case UUIDs' });
  return id;
}
