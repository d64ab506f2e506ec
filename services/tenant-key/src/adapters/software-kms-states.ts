/** Whether the software KMS's keys can be used: one sealed file beside each key whose state was ever changed. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@wardstone/rpc';
import { z } from 'zod';
import type { KmsKeyState } from '../ports.ts';
import { decrypt, encrypt, inKms, readIfThere, remove, replace } from './software-kms-files.ts';

const stateSchema = z.discriminatedUnion('state', [
  z.object({ state: z.enum(['enabled', 'disabled', 'deleted']) }),
  z.object({ state: z.literal('pending-deletion'), deletionAtMs: z.number().int() }),
]);

/** The state of a key, as it is kept; `absent` is one that was never made. */
export type KeptState = z.infer<typeof stateSchema> | { readonly state: 'absent' };

const stateSuffix = '.state';

/** The states of the keys of one directory. Thrown by all: KEY_UNAVAILABLE. */
export interface KeyStates {
  /** The state as it is now: a key whose date has passed is removed before the answer. */
  read(tenantId: string): Promise<KeptState>;
  /**
   * Changes the state, one change of this process after the other. What `change` answers is kept; undefined leaves all
   * as it is. Thrown: also what `change` throws, and KEY_UNAVAILABLE when there is no key.
   */
  change(tenantId: string, change: (state: KeptState) => KeptState | undefined): Promise<void>;
  /** Removes every key whose date has passed. */
  sweep(): Promise<void>;
}

/** What can be done with a key in this state, in the port's words. */
export function described(kept: KeptState): { readonly state: KmsKeyState; readonly deletionAt?: Date } {
  if (kept.state === 'absent') return { state: 'deleted' };
  if (kept.state !== 'pending-deletion') return { state: kept.state };
  return { state: kept.state, deletionAt: new Date(kept.deletionAtMs) };
}

/** Thrown: AppError when a key in this state cannot be used. */
export function needsUsable({ state }: KeptState): void {
  if (state === 'disabled') throw new AppError('KEY_DISABLED');
  if (state === 'pending-deletion') throw new AppError('KEY_PENDING_DELETION');
  if (state === 'deleted' || state === 'absent') throw noSuchKey();
}

export function noSuchKey(): AppError {
  return new AppError('KEY_UNAVAILABLE', { cause: new Error('this KMS has no such key') });
}

/** Opens the states of a directory of keys. `now` in milliseconds since 1970. */
export function openKeyStates(options: {
  keysDir: string;
  masterKey: Uint8Array;
  /** Where a tenant's key is. */
  keyFile: (tenantId: string) => string;
  now: () => number;
}): KeyStates {
  const { keysDir, masterKey, keyFile, now } = options;
  const stateFile = (tenantId: string): string => join(keysDir, `${tenantId}${stateSuffix}`);
  const contextOf = (tenantId: string) => ({ state: tenantId });
  let last: Promise<unknown> = Promise.resolve();

  const keep = (tenantId: string, state: KeptState): Promise<void> => {
    const clear = Buffer.from(JSON.stringify(state));
    return inKms(() => replace(stateFile(tenantId), encrypt(masterKey, contextOf(tenantId), clear)));
  };

  const look = (tenantId: string): Promise<KeptState> =>
    inKms(async () => {
      const sealed = await readIfThere(stateFile(tenantId));
      if (sealed === undefined) return { state: (await isThere(keyFile(tenantId))) ? 'enabled' : 'absent' };
      const text = Buffer.from(decrypt(masterKey, contextOf(tenantId), sealed)).toString();
      return stateSchema.parse(JSON.parse(text));
    });

  const isDue = (kept: KeptState): boolean => kept.state === 'pending-deletion' && now() >= kept.deletionAtMs;

  const lookAndSettle = async (tenantId: string): Promise<KeptState> => {
    const kept = await look(tenantId);
    if (!isDue(kept)) return kept;
    // The key goes first: a crash in between repeats this. The state stays, so that the id is never a new key's.
    await inKms(() => remove(keyFile(tenantId)));
    await keep(tenantId, { state: 'deleted' });
    return { state: 'deleted' };
  };

  const changeNow = async (tenantId: string, change: (state: KeptState) => KeptState | undefined): Promise<void> => {
    const state = await lookAndSettle(tenantId);
    if (state.state === 'deleted' || state.state === 'absent') throw noSuchKey();
    const next = change(state);
    if (next !== undefined) await keep(tenantId, next);
  };

  const inLine = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    // The next in line does not care how this one ended; its caller is told.
    last = turn.catch(() => undefined);
    return turn;
  };

  const read = async (tenantId: string): Promise<KeptState> => {
    const kept = await look(tenantId);
    return isDue(kept) ? inLine(() => lookAndSettle(tenantId)) : kept;
  };

  return {
    read,
    change: (tenantId, change) => inLine(() => changeNow(tenantId, change)),
    sweep: async () => {
      for (const name of await inKms(() => readdir(keysDir))) {
        if (name.endsWith(stateSuffix)) await read(name.slice(0, -stateSuffix.length));
      }
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
