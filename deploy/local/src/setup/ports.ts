import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { readJson, writeJson } from './files.ts';

/** Whether this loopback port can be listened on now. */
async function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host: '127.0.0.1' }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/**
 * Below what Linux gives to outgoing connections (32768 to 60999): a port from there could be taken by any client of ours
 * between its choice and the start of the server that is to listen on it.
 */
const chosenFrom = { first: 15_000, last: 32_000 };
const maxAttempts = 200;

/** A free loopback port. Thrown: Error when none was found. */
export async function freePort(): Promise<number> {
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    const port = randomInt(chosenFrom.first, chosenFrom.last);
    if (await isPortFree(port)) return port;
  }
  throw new Error('No free port was found.');
}

/**
 * Loopback ports by name, the same in every run as long as nothing else took them meanwhile; then another one is
 * chosen and kept. `file` remembers them.
 */
export async function keptPorts<Name extends string>(
  file: string,
  names: readonly Name[],
): Promise<Record<Name, number>> {
  const known = (await readJson(file)) as Partial<Record<string, unknown>> | undefined;
  const taken = new Set<number>();
  const ports: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const before = known?.[name];
    const usable = typeof before === 'number' && !taken.has(before) && (await isPortFree(before));
    let port = usable ? before : await freePort();
    while (taken.has(port)) port = await freePort();
    taken.add(port);
    ports[name] = port;
  }
  await writeJson(file, { ...known, ...ports });
  return ports as Record<Name, number>;
}
