import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { repositoryDir } from '@wardstone/local/platform/layout';
import { type Platform, startPlatform } from '@wardstone/local/platform/platform';
import { eventually } from '@wardstone/testing';
import { createRest, type DocumentView, type Rest } from './rest.ts';

/** A platform of a test's own, in a folder of its own, and its people's REST calls. */
export interface Stack {
  readonly platform: Platform;
  /** REST calls as a seeded user, for example `north-clinician`. */
  as(username: string): Rest;
  /** What the launcher said since the start. */
  readonly lines: readonly string[];
  /** Ends every process and removes the folder. */
  stop(): Promise<void>;
}

const generousLimits = { WARDSTONE_RATE_LIMIT_REQUESTS: '100000', WARDSTONE_UPLOADS_PER_TENANT: '32' };

/**
 * Starts all processes over fresh data. Programs get `env` on top of what the launcher gives them; the gateway's rate
 * limits are out of the way. The queue is on Postgres unless a Redis is given.
 */
export async function startStack(
  name: string,
  env: NonNullable<Parameters<typeof startPlatform>[0]['programEnv']> = {},
  redisUrl?: string,
): Promise<Stack> {
  const stateDir = path.join(repositoryDir, '.wardstone/test/e2e', name);
  await rm(stateDir, { recursive: true, force: true });
  await mkdir(stateDir, { recursive: true });
  const lines: string[] = [];
  const { WARDSTONE_DATABASE_URL: _database, WARDSTONE_REDIS_URL: _redis, ...inherited } = process.env;
  const platform = await startPlatform({
    stateDir,
    env: redisUrl === undefined ? inherited : { ...inherited, WARDSTONE_REDIS_URL: redisUrl },
    programEnv: { ...env, gateway: { ...generousLimits, ...env.gateway } },
    progress: (line) => lines.push(line),
  });
  return {
    platform,
    as: (username) => createRest(platform.urls.gateway, () => platform.token(username)),
    lines,
    stop: async () => {
      await platform.stop();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** Waits until a document is READY or FAILED. Answers that are no document (a service is down) are waited out. */
export async function whenFinished(rest: Rest, documentId: string, timeoutMs = 60_000): Promise<DocumentView> {
  return eventually(
    async () => {
      const { status, body } = await rest.document(documentId);
      return status === 200 && (body.state === 'READY' || body.state === 'FAILED') && body;
    },
    { timeoutMs, intervalMs: 150, description: `document ${documentId} to be READY or FAILED` },
  );
}

/** Uploads a document and waits until it can be searched. Thrown: Error when it cannot. */
export async function ingest(rest: Rest, fileName: string, bytes: Uint8Array, title?: string): Promise<DocumentView> {
  const accepted = await rest.upload(fileName, bytes, title === undefined ? {} : { title });
  if (accepted.status !== 202) throw new Error(`the upload answered ${accepted.status}`);
  const document = await whenFinished(rest, accepted.body.documentId);
  if (document.state !== 'READY')
    throw new Error(`${fileName} is ${document.state}: ${document.failure?.reason ?? ''}`);
  return document;
}
