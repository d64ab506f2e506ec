/** A gateway and an llm of the row's own, as programs, that answer from a double of Bedrock; the rest is the platform's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createAccessTokenVerifier, createCallerCheck, createPolicy } from '@wardstone/access';
import { launchProgram } from '@wardstone/local/platform/launch';
import type { Platform } from '@wardstone/local/platform/platform';
import { addressOf, environmentOf, passedOnFrom, programNames, sourceDirOf } from '@wardstone/local/platform/programs';
import type { ProgramName } from '@wardstone/local/platform/programs';
import { serviceJwksFile } from '@wardstone/local/platform/service-keys';
import { keptPorts } from '@wardstone/local/setup/ports';
import { startServer } from '@wardstone/rpc';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { createTelemetry } from '@wardstone/telemetry';
import { fixedUuid } from '../index-loader.ts';
import { sourceTexts } from './material.ts';

export const region = 'us-east-1';
/** Those that the double takes. */
export const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

export interface AnswerStack {
  readonly llmUrl: string;
  readonly gatewayUrl: string;
  /** Of the double. */
  readonly bedrockUrl: string;
}

/** Starts it; what `closing` holds afterwards ends it, last first. */
export async function startAnswerStack(
  running: Platform,
  stateDir: string,
  closing: (() => Promise<unknown>)[],
): Promise<AnswerStack> {
  const bedrockUrl = await startDouble(closing);
  const retrievalUrl = await startRetrieval(running, closing);
  const own = await keptPorts(path.join(stateDir, 'answers-ports.json'), ['llm', 'gateway']);
  const platformPorts = Object.entries(running.urls).map(([name, url]) => [name, Number(new URL(url).port)]);
  const ports = { ...Object.fromEntries(platformPorts), ...own } as Record<ProgramName, number>;
  const surroundings = {
    ...{ layout: running.layout, databases: running.databases, ports },
    ...{ redisUrl: undefined, passedOn: passedOnFrom(process.env) },
  };
  const extra = {
    llm: {
      WARDSTONE_LLM_MODEL: 'bedrock',
      WARDSTONE_BEDROCK_REGION: region,
      WARDSTONE_BEDROCK_ENDPOINT: bedrockUrl,
      WARDSTONE_RETRIEVAL_URL: retrievalUrl,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    gateway: { WARDSTONE_RATE_LIMIT_REQUESTS: '1000000' },
  };
  for (const name of programNames.filter((one) => one === 'llm' || one === 'gateway')) {
    const program = launchProgram({
      name,
      entry: path.join(sourceDirOf(name), 'main.ts'),
      env: { ...environmentOf(name, surroundings), ...extra[name] },
      logFile: path.join(stateDir, `answers-${name}.log`),
      readyUrl: `${addressOf(ports, name)}/readyz`,
      readyTimeoutMs: 60_000,
      stopTimeoutMs: 15_000,
    });
    closing.push(() => program.stop());
    await program.ready();
  }
  return { llmUrl: addressOf(ports, 'llm'), gatewayUrl: addressOf(ports, 'gateway'), bedrockUrl };
}

/** The double in a process of its own: neither side shares its event loop. */
async function startDouble(closing: (() => Promise<unknown>)[]): Promise<string> {
  const entry = fileURLToPath(new URL('double.ts', import.meta.url));
  const child = spawn(process.execPath, [entry], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  closing.push(async () => {
    child.kill();
    await exited;
  });
  const [endpoint] = (await Promise.race([once(createInterface(child.stdout), 'line'), exited])) as unknown[];
  if (typeof endpoint !== 'string') throw new Error('the double of Bedrock did not start');
  return endpoint;
}

/** Retrieval as llm sees it, which finds the same chunks for every question: what a search takes is the row `search`. */
async function startRetrieval(running: Platform, closing: (() => Promise<unknown>)[]): Promise<string> {
  const hits = sourceTexts().map((text, index) => ({
    ...{ chunkId: fixedUuid(5, index), documentId: fixedUuid(4, index), version: 1, score: 0.5 },
    ...{ documentTitle: `Invented note ${String(index)}`, text },
    span: { pageStart: 1, pageEnd: 1, charStart: 0, charEnd: text.length },
    pageBreaks: [{ page: 1, chunkOffset: 0 }],
  }));
  const server = await startServer({
    service: 'retrieval',
    telemetry: createTelemetry({ service: 'retrieval', version: '0', logLevel: 'silent' }),
    host: '127.0.0.1',
    port: 0,
    routes: (router) => void router.service(RetrievalService, { search: () => ({ hits }) }),
    callerCheck: createCallerCheck({
      service: 'retrieval',
      serviceJwksFile: serviceJwksFile(running.layout.keysDir),
      verifyAccessToken: createAccessTokenVerifier({ issuer: running.urls['sign-in'], audience: 'wardstone' }),
      policy: await createPolicy(),
    }),
    dependencies: {},
    reflection: false,
    drainTimeoutMs: 1_000,
  });
  closing.push(() => server.close());
  return server.url;
}
