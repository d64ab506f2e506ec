import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from '@wardstone/testing';
import type { World } from './world.ts';

/** The gateway as it is run: main.ts in a process of its own. */
export interface ChildGateway {
  readonly url: string;
  readonly metricsUrl: string;
  readonly output: string[];
  /** Resident memory in bytes, as the process itself reports it. */
  residentBytes(): Promise<number>;
  /** Sends SIGTERM and gives the exit code. */
  stop(): Promise<number | null>;
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Starts main.ts in front of a world's services. */
export async function startChildGateway(
  world: Pick<World, 'urls' | 'issuer' | 'identities'>,
  env: Readonly<Record<string, string>> = {},
): Promise<ChildGateway> {
  const { urls, issuer, identities } = world;
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      WARDSTONE_PORT: '0',
      WARDSTONE_METRICS_PORT: '0',
      WARDSTONE_SERVICE_KEY_FILE: identities.keyFile('gateway'),
      WARDSTONE_OIDC_ISSUER: issuer.issuer,
      WARDSTONE_INGESTION_URL: urls.ingestion,
      WARDSTONE_RETRIEVAL_URL: urls.retrieval,
      WARDSTONE_LLM_URL: urls.llm,
      WARDSTONE_TENANT_KEY_URL: urls['tenant-key'],
      WARDSTONE_AUDIT_URL: urls.audit,
      ...env,
    },
  });
  const output: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(...chunk.toString().split('\n').filter(Boolean)));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  let ended = false;
  child.once('close', () => (ended = true));
  const port = await eventually(() => (ended ? 'ended' : loggedPort(output, 'listening')), {
    timeoutMs: 60_000,
    description: 'the gateway to listen',
  });
  if (port === 'ended') throw new Error(`the gateway ended: ${output.join('\n')}`);
  const url = `http://127.0.0.1:${port}`;
  // Logged before "listening".
  const metricsUrl = `http://127.0.0.1:${loggedPort(output, 'serving metrics')}/metrics`;
  return {
    url,
    output,
    metricsUrl,
    residentBytes: async () => {
      const metrics = await (await fetch(metricsUrl)).text();
      return Number(/^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1]);
    },
    stop: async () => {
      if (child.exitCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }
      return child.exitCode;
    },
  };
}

/** The port of the log line with this message. */
function loggedPort(output: readonly string[], message: string): number | undefined {
  const line = output.find((text) => text.includes(`"msg":"${message}"`));
  return line === undefined ? undefined : (JSON.parse(line) as { port: number }).port;
}
