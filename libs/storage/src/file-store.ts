/** Objects as files under one directory: the embedded stand-in for S3. */
import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, open, opendir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AppError, needs } from '@wardstone/rpc';
import { checkKey, objectNotFound, type ObjectStore, type PutOptions } from './object-store.ts';
import { createTurns, type Turns } from './turns.ts';
import { untilAborted } from './until-aborted.ts';

/** Ends the name of every object's file. No key has it, so that the object `a/b` and the objects under `a/b/` live side by side. */
const suffix = '~';
/** A temporary file that nobody has written to for so long belongs to a process that died. */
const orphanAgeMs = 60 * 60_000;
/** A directory may be pruned between its making and the rename into it; so often it is made again. */
const placeAttempts = 5;

interface Folders {
  readonly objects: string;
  readonly temporary: string;
}

/**
 * A store in a directory, which is made if it is not there. Several processes may share it. Files are 0600 and
 * directories 0700; contents are what the caller gives: sealed. A `put` is durable over a power cut: the file and the
 * directories above it are synced before it answers. `ifMatch` is held against other puts and deletes of this store alone,
 * not against those of another process.
 */
export function createFileStore(options: { dir: string }): ObjectStore {
  const turns = createTurns();
  const folders: Folders = { objects: resolve(options.dir, 'objects'), temporary: resolve(options.dir, 'tmp') };
  let prepared: Promise<void> | undefined;
  const ready = async (): Promise<void> => {
    // Once it was there it is not made again: a disk that went away must not be replaced by an empty directory.
    prepared ??= prepare(folders);
    try {
      await prepared;
    } catch (cause) {
      prepared = undefined;
      throw unavailable(cause);
    }
  };
  const fileOf = (key: string): string => {
    checkKey(key);
    return join(folders.objects, `${key}${suffix}`);
  };

  return {
    put: async (key, body, putOptions = {}) => {
      const path = fileOf(key);
      await ready();
      return put({ folders, turns }, path, body, putOptions);
    },
    get: async (key) => {
      const path = fileOf(key);
      await ready();
      const handle = await guarded(() => open(path, 'r'));
      if (handle === undefined) {
        await present(folders);
        throw objectNotFound();
      }
      return handle.createReadStream({ highWaterMark: 256 * 1024 });
    },
    head: async (key) => {
      const path = fileOf(key);
      await ready();
      const found = await headOf(path);
      if (found === undefined) await present(folders);
      return found;
    },
    delete: async (key) => {
      const path = fileOf(key);
      await ready();
      await turns(path, () => remove(folders, path));
    },
    // A file that is replaced is gone.
    deleteReplaced: async (key) => {
      checkKey(key);
      await ready();
      return 0;
    },
    deletePrefix: async (prefix) => {
      checkKey(prefix);
      await ready();
      let removed = 0;
      for await (const key of list(folders, prefix)) {
        const path = fileOf(key);
        if (await turns(path, () => remove(folders, path))) removed += 1;
      }
      return removed;
    },
    list: async function* (prefix) {
      if (prefix !== '') checkKey(prefix);
      await ready();
      yield* list(folders, prefix);
    },
    check: async () => {
      await ready();
      await present(folders);
    },
  };
}

async function prepare({ objects, temporary }: Folders): Promise<void> {
  await mkdir(objects, { recursive: true, mode: 0o700 });
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  for await (const entry of await opendir(temporary)) {
    const path = join(temporary, entry.name);
    const touched = await guarded(() => stat(path));
    if (touched !== undefined && Date.now() - touched.mtimeMs > orphanAgeMs) await guarded(() => unlink(path));
  }
}

async function put(
  { folders, turns }: { readonly folders: Folders; readonly turns: Turns },
  path: string,
  body: AsyncIterable<Uint8Array>,
  { signal, ifMatch }: PutOptions,
): Promise<{ bytes: number }> {
  const temporary = join(folders.temporary, randomUUID());
  const unchanged = async (): Promise<void> => {
    if (ifMatch !== undefined) needs((await headOf(path))?.etag === ifMatch, 'OBJECT_CHANGED');
  };
  let placed = false;
  try {
    await unchanged();
    const bytes = await writeFile(temporary, body, signal);
    await turns(path, async () => {
      await unchanged();
      await inStore(() => place(folders, temporary, path));
    });
    placed = true;
    return { bytes };
  } finally {
    if (!placed) await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** The tag is made of what a file that is put anew never has in common with the one before it. */
async function headOf(path: string): Promise<{ bytes: number; etag: string } | undefined> {
  const found = await guarded(() => stat(path, { bigint: true }));
  if (found === undefined) return undefined;
  const { ino, size, mtimeNs } = found;
  return { bytes: Number(size), etag: [ino, size, mtimeNs].map((part) => part.toString(36)).join('-') };
}

/** Writes and syncs a new file. What the body throws goes through as it is; a fault of the disk is the store's. */
async function writeFile(path: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<number> {
  if (signal?.aborted === true) throw new AppError('CANCELLED');
  const handle = await inStore(() => open(path, 'wx', 0o600));
  let bytes = 0;
  try {
    for await (const chunk of signal === undefined ? body : untilAborted(body, signal)) {
      await inStore(() => handle.writev([chunk]));
      bytes += chunk.byteLength;
    }
    await inStore(() => handle.sync());
    return bytes;
  } finally {
    await handle.close();
  }
}

/** Moves a written file to its place and makes the move durable. */
async function place(folders: Folders, temporary: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await present(folders);
    const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      await rename(temporary, path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT' && attempt < placeAttempts) continue;
      throw error;
    }
    await syncUpwards(dirname(path), made === undefined ? dirname(path) : dirname(made));
    return;
  }
}

/** Syncs a directory and those above it, up to and with `last`. */
async function syncUpwards(from: string, last: string): Promise<void> {
  for (let dir = from; ; dir = dirname(dir)) {
    const handle = await open(dir, 'r');
    await handle.sync().finally(() => handle.close());
    if (dir === last || dir === dirname(dir)) return;
  }
}

/** Removes a file and the directories that it leaves empty. Answers whether there was one. */
async function remove(folders: Folders, path: string): Promise<boolean> {
  const removed = await guarded(async () => {
    await unlink(path);
    return true;
  });
  if (removed === undefined) {
    await present(folders);
    return false;
  }
  for (let dir = dirname(path); dir !== folders.objects; dir = dirname(dir)) {
    try {
      await rmdir(dir);
    } catch {
      // Not empty, or somebody else pruned it: both mean that there is nothing left to do here.
      return true;
    }
  }
  return true;
}

async function* list(folders: Folders, prefix: string): AsyncGenerator<string> {
  const dir = await guarded(() => opendir(join(folders.objects, prefix)));
  if (dir === undefined) {
    await present(folders);
    return;
  }
  for await (const entry of dir) {
    const key = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) yield* list(folders, key);
    else if (entry.name.endsWith(suffix)) yield key.slice(0, -suffix.length);
  }
}

/** The store is usable while both folders are there and may be written to. */
async function present({ objects, temporary }: Folders): Promise<void> {
  await inStore(async () => {
    await access(objects, constants.R_OK | constants.W_OK | constants.X_OK);
    await access(join(temporary, '.'), constants.R_OK | constants.W_OK | constants.X_OK);
  });
}

/** Undefined when there is no such file, which means nothing unless the store is `present`; any other fault is the store's. */
async function guarded<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unavailable(error);
  }
}

async function inStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof AppError ? error : unavailable(error);
  }
}

function unavailable(cause: unknown): AppError {
  return new AppError('OBJECT_STORE_UNAVAILABLE', { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
