import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';

/** Writes a file whole or not at all, readable by its owner only unless told otherwise. */
export async function writeFileAtomically(file: string, content: string, mode = 0o600): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const handle = await open(temporary, 'wx', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** Reads a text file; undefined when there is none. */
export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

export async function writeJson(file: string, value: unknown, mode = 0o600): Promise<void> {
  await writeFileAtomically(file, `${JSON.stringify(value, undefined, 2)}\n`, mode);
}

/** A random secret of 192 bits that needs no escaping in a URL, a shell or JSON. */
export function newSecret(): string {
  return randomBytes(24).toString('base64url');
}

/** The secret in `file`, made on first use. */
export async function keptSecret(file: string): Promise<string> {
  const known = await readText(file);
  if (known !== undefined && known.trim() !== '') return known.trim();
  const secret = newSecret();
  await writeFileAtomically(file, `${secret}\n`);
  return secret;
}
