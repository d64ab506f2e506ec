import { createServer } from 'node:net';
import { readJson, writeJson } from './files.ts';

/** Whether this loopback port can be listened on now. */
export async function isPortFree(port: number): Promise<boolean> {
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

/** A free loopback port that the system chose. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('The system gave no port.'));
      });
    });
  });
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
