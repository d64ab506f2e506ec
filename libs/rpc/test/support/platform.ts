import { Writable } from 'node:stream';
import type { ConnectRouter } from '@connectrpc/connect';
import { type Telemetry, InMemorySpanExporter, createTelemetry } from '@wardstone/telemetry';
import {
  AppError,
  type CallContext,
  type CallerCheck,
  type ClientOptions,
  type Principal,
  type RunningServer,
  type ServerOptions,
  callContext,
  startServer,
} from '../../src/index.ts';
import { EmbeddingService } from '../../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { IngestionService } from '../../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';

/** Text that stands for PHI: it may appear nowhere but in messages. */
export const secret = 'Mrs Abernathy has polycythaemia';

export const tenantId = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f00';
export const documentId = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f01';

export const clinician: Principal = { subject: 'user-1', kind: 'user', tenantId, roles: ['clinician'] };

/** Accepts the token "good" and nobody else. */
export const permissiveCheck: CallerCheck = ({ authorization }) =>
  authorization === 'Bearer good'
    ? Promise.resolve({ principal: clinician, peer: 'client' })
    : Promise.reject(new AppError(authorization === null ? 'UNAUTHENTICATED' : 'TOKEN_INVALID'));

/** Telemetry that keeps what it is told. */
export interface Recorded extends Telemetry {
  readonly spans: InMemorySpanExporter;
  lines(): Record<string, unknown>[];
  text(): string;
}

export function recordedTelemetry(service = 'test', logLevel = 'debug'): Recorded {
  let text = '';
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const spans = new InMemorySpanExporter();
  const telemetry = createTelemetry({ service, version: '0', logLevel, destination, spanExporter: spans });
  return {
    ...telemetry,
    spans,
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/** What the test services were asked, and how they are told what to do. */
export interface Scene {
  readonly calls: CallContext[];
  /** Resolves when a handler that holds (`hold`) was entered. */
  readonly entered: Promise<void>;
  /** Lets a handler that holds go on. */
  release(): void;
  /** Resolves when the signal of a handler that holds aborted. */
  readonly aborted: Promise<void>;
  readonly routes: (router: ConnectRouter) => void;
}

/**
 * Two of the platform's own services with small handlers. Embed answers with one vector per text; the texts "hold", "boom"
 * and "not-found" do as they say. WatchDocument sends three documents and then holds. UploadDocument counts bytes.
 */
export function createScene(): Scene {
  const calls: CallContext[] = [];
  const entered = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();

  async function hold(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => aborted.resolve(), { once: true });
    entered.resolve();
    await Promise.race([released.promise, aborted.promise]);
    signal.throwIfAborted();
  }

  return {
    calls,
    entered: entered.promise,
    release: () => released.resolve(),
    aborted: aborted.promise,
    routes(router) {
      router.service(EmbeddingService, {
        async embed(request, ctx) {
          const call = callContext(ctx);
          calls.push(call);
          call.log.info({ count: request.texts.length, text: request.texts[0] }, 'embedding');
          const order = request.texts[0];
          if (order === 'boom') throw new Error(`could not insert (${secret})`);
          if (order === 'not-found') throw new AppError('DOCUMENT_NOT_FOUND', { metadata: { documentId } });
          if (order === 'hold') await hold(call.signal);
          if (order === 'ignore-the-signal') await released.promise;
          return { modelId: 'test', dimensions: 2, embeddings: request.texts.map(() => ({ values: [1, 0] })) };
        },
      });
      router.service(IngestionService, {
        async uploadDocument(requests, ctx) {
          calls.push(callContext(ctx));
          let sizeBytes = 0;
          for await (const { part } of requests) if (part.case === 'data') sizeBytes += part.value.length;
          return { document: { documentId, sizeBytes: BigInt(sizeBytes) } };
        },
        async *watchDocument(_request, ctx) {
          const call = callContext(ctx);
          calls.push(call);
          call.log.info('watching');
          for (const percent of [10, 50, 90]) yield { document: { documentId, percent } };
          await hold(call.signal);
        },
      });
    },
  };
}

export async function startTestServer(
  scene: Scene,
  overrides: Partial<ServerOptions> = {},
): Promise<RunningServer & { readonly telemetry: Recorded }> {
  const telemetry = recordedTelemetry();
  const server = await startServer({
    service: 'test',
    telemetry,
    host: '127.0.0.1',
    port: 0,
    routes: scene.routes,
    callerCheck: permissiveCheck,
    dependencies: {},
    reflection: true,
    drainTimeoutMs: 2_000,
    ...overrides,
  });
  return { ...server, telemetry };
}

/** Client options for a server. */
export function clientOf(url: string, overrides: Partial<ClientOptions> = {}): ClientOptions {
  return { baseUrl: url, audience: 'test', authorize: () => Promise.resolve('good'), ...overrides };
}

/** The AppError that a call ends with. */
export async function refusal(call: Promise<unknown>): Promise<AppError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('the call was expected to fail');
}
