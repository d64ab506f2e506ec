/** The service's handlers over a real database, a real object store and real seals; peers are plain objects. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyRing, type KeyPurpose, type KeyRing } from '@wardstone/crypto';
import { migrate, openDatabase, type Database } from '@wardstone/db';
import { chunksArtefact, vectorsArtefact, type StageJob } from '@wardstone/queue';
import {
  AppError,
  asPrincipal,
  createInMemoryTransport,
  createServiceClient,
  type Principal,
  type ServiceClient,
} from '@wardstone/rpc';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { createFileStore, createSealedObjects, type SealedObjects } from '@wardstone/storage';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import { createTestDatabase, type TestDatabase } from '@wardstone/testing';
import { createTestAuditor, type RecordedEvent } from '@wardstone/service-testing';
import { v7 as uuidv7 } from 'uuid';
import { entities } from '../../src/db/entities.ts';
import { migrations } from '../../src/db/migrations.ts';
import { defaultBitsMaxChunks, type VectorSteps, vectorSteps } from '../../src/domain/vector-steps.ts';
import { indexJob } from '../../src/jobs/index-document.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Deps, Limits, PassageCall } from '../../src/ports.ts';
import { routes } from '../../src/rpc/routes.ts';

export const modelId = 'test-model';
export const running = { signal: new AbortController().signal };

export interface Harness {
  readonly deps: Deps;
  readonly database: Database;
  readonly testDatabase: TestDatabase;
  readonly objects: SealedObjects;
  readonly registry: Registry;
  readonly events: RecordedEvent[];
  readonly logs: string[];
  /** What a test may break, and the vector and model of the next questions. */
  readonly faults: Faults;
  /** Makes new writes use this version of every key, or of one purpose's, at once. */
  useKeyVersion(version: number, purpose?: KeyPurpose): void;
  readonly question: { vector: Float32Array; modelId: string };
  /** What embedding serves, in the place of embedding. */
  readonly models: TestModels;
  readonly client: ServiceClient<typeof RetrievalService>;
  /** Writes both artefacts of a document and runs the stage. */
  index(document: TestDocument): Promise<StageJob>;
  writeArtefacts(document: TestDocument): Promise<StageJob>;
  close(): Promise<void>;
}

/** Models in the place of embedding's: every one is served that is not named here. */
export interface TestModels {
  current: string;
  readonly unserved: Set<string>;
  /** Models that make nothing of any passage. */
  readonly nothing: Set<string>;
  /** Every call with passages, as it came. */
  readonly calls: PassageCall[];
  /** What a call waits for, or fails with; a vector is made of whatever it lets through. */
  before: (call: PassageCall) => Promise<unknown>;
}

/** What a test may break. */
export interface Faults {
  audit: boolean;
  /** An action that cannot be recorded. */
  auditRefuses?: string | undefined;
  keys: boolean;
  /** What the key service answers for some versions, in the place of a key. */
  readonly versions: Map<number, 'KEY_VERSION_NOT_FOUND' | 'KEY_VERSION_RETIRED'>;
}

export interface TestDocument {
  readonly tenantId: string;
  readonly documentId?: string;
  readonly version?: number;
  readonly title?: string;
  readonly modelId?: string;
  readonly labels?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly chunks: readonly { readonly text: string; readonly vector: Float32Array }[];
}

/** A clinician of a tenant, as the in-memory server takes them from the token `tenant:<id>`. */
export function as(tenantId: string, options: { readonly signal?: AbortSignal } = {}) {
  return asPrincipal(clinician(tenantId), { requestId: 'request-1', ...options });
}

export function clinician(tenantId: string): Principal {
  return { subject: 'user-1', kind: 'user', tenantId, roles: ['clinician'] };
}

/** What a model makes of a passage here: another vector for each model, title and text. */
export function passageVector(model: string, title: string, text: string): Float32Array {
  return seededVector(createHash('sha256').update(`${model}/${title}/${text}`).digest().readUInt32BE(0));
}

/** A unit vector that follows from its seed. */
export function seededVector(seed: number): Float32Array {
  let state = (seed + 1) * 0x9e3779b9;
  const vector = Float32Array.from({ length: 1024 }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x85ebca6b) + 0x6d2b79f5;
    return ((state ^ (state >>> 13)) >>> 0) / 0xffffffff - 0.5;
  });
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

export async function openHarness({
  limits = {},
  steps = vectorSteps(defaultBitsMaxChunks),
}: { readonly limits?: Partial<Limits>; readonly steps?: VectorSteps } = {}): Promise<Harness> {
  const testDatabase = await createTestDatabase({ schemas: ['retrieval'] });
  const { ownerUrl, appRole, appUrl } = testDatabase.schema('retrieval');
  await migrate({ ownerUrl, appRole, schema: 'retrieval', migrations });
  const database = await openDatabase({
    url: appUrl,
    schema: 'retrieval',
    entities,
    applicationName: 'retrieval-test',
    acquireTimeoutMs: 2_000,
  });
  const logs: string[] = [];
  const destination = { write: (line: string) => void logs.push(line) };
  const telemetry = createTelemetry({ service: 'retrieval', version: '0', logLevel: 'debug', destination });
  const dir = await mkdtemp(join(tmpdir(), 'wardstone-retrieval-'));
  const faults: Faults = { audit: false, keys: false, versions: new Map() };
  const current: CurrentVersions = { version: 1, of: new Map() };
  const keys = testKeys(faults, current);
  const objects = createSealedObjects({
    store: createFileStore({ dir }),
    keys: testKeys({ keys: false, versions: new Map() }, { version: 1, of: new Map() }),
  });
  const events: RecordedEvent[] = [];
  const question = { vector: seededVector(0), modelId };
  const models: TestModels = {
    ...{ current: modelId, unserved: new Set(), calls: [] },
    nothing: new Set(),
    before: () => Promise.resolve(),
  };
  const registry = new Registry();
  const deps: Deps = {
    database,
    keys,
    objects,
    vectors: {
      vectorOf: (_question, _call, asked) =>
        Promise.resolve(
          asked !== undefined && models.unserved.has(asked)
            ? undefined
            : { ...question, modelId: asked ?? question.modelId },
        ),
    },
    passages: {
      currentModel: () => Promise.resolve(models.current),
      vectorsOf: async (call) => {
        models.calls.push(call);
        await models.before(call);
        call.signal.throwIfAborted();
        if (models.unserved.has(call.modelId)) return undefined;
        return call.texts.map((text) =>
          models.nothing.has(call.modelId) ? undefined : passageVector(call.modelId, call.title, text),
        );
      },
    },
    vectorSteps: steps,
    auditor: createTestAuditor({
      onEvent: (event) => void events.push(event),
      before: ({ action }) => {
        if (faults.audit || faults.auditRefuses === action) throw new AppError('AUDIT_UNAVAILABLE');
      },
    }),
    progress: { report: () => undefined },
    metrics: createMetrics(registry),
    limits: { maxSearches: 32, tenantSlotPercent: 50, ...limits },
    log: telemetry.log,
  };
  const transport = createInMemoryTransport({
    routes: routes(deps),
    telemetry,
    callerCheck: ({ authorization }) =>
      Promise.resolve({ principal: clinician(authorization?.replace('Bearer ', '') ?? ''), peer: 'gateway' }),
  });
  const writeArtefacts = (document: TestDocument) => writeBoth(objects, document);
  return {
    deps,
    database,
    testDatabase,
    objects,
    registry,
    events,
    logs,
    faults,
    useKeyVersion: (version, purpose) => {
      if (purpose === undefined) {
        current.version = version;
        current.of.clear();
      } else current.of.set(purpose, version);
      keys.clear();
    },
    question,
    models,
    client: createServiceClient(RetrievalService, {
      baseUrl: 'http://in-memory',
      audience: 'retrieval',
      authorize: (principal) => Promise.resolve(principal.tenantId ?? ''),
      transport,
    }),
    writeArtefacts,
    index: async (document) => {
      const job = await writeArtefacts(document);
      await indexJob(deps)(job, running);
      return job;
    },
    close: async () => {
      await database.close();
      await testDatabase.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function writeBoth(objects: SealedObjects, document: TestDocument): Promise<StageJob> {
  const { tenantId, documentId = uuidv7(), version = 1, title = 'Title', chunks } = document;
  const ref = { tenantId, documentId, version };
  const lines = chunksArtefact(
    {
      ...{ kind: 'document', documentId, version, title },
      ...{ fileName: 'file.txt', pageCount: 2, charCount: 100_000, mediaType: 'text/plain' },
      ...{ labels: document.labels, metadata: document.metadata },
    },
    chunks.map(({ text }, ordinal) => ({
      ...{ kind: 'chunk', ordinal, text, pageStart: 1, pageEnd: 2 },
      ...{ charStart: ordinal * 100, charEnd: ordinal * 100 + text.length },
      pageBreaks: [
        { page: 1, chunkOffset: 0 },
        { page: 2, chunkOffset: 3 },
      ],
    })),
  );
  const header = {
    kind: 'vectors',
    modelId: document.modelId ?? modelId,
    dimensions: 1024,
    count: chunks.length,
  } as const;
  await objects.writeJsonLines({ ...ref, name: 'chunks' }, lines);
  await objects.writeJsonLines(
    { ...ref, name: 'vectors' },
    vectorsArtefact(
      header,
      chunks.map(({ vector }) => vector),
    ),
  );
  return { ...ref, requestId: 'request-1', requestedBy: 'user-1' };
}

interface CurrentVersions {
  version: number;
  /** Of single purposes, where they differ. */
  readonly of: Map<KeyPurpose, number>;
}

/** Keys that follow from what they are for. */
function testKeys(faults: Pick<Faults, 'keys' | 'versions'>, current: CurrentVersions): KeyRing {
  const ring = createKeyRing({
    fetch: (tenant, purpose, version) => {
      const currentVersion = current.of.get(purpose) ?? current.version;
      const found = version === 0 ? currentVersion : version;
      const fault = faults.versions.get(found);
      if (fault !== undefined) return Promise.reject(new AppError(fault));
      const key = new Uint8Array(
        createHash('sha256')
          .update(`${tenant}/${purpose}/${String(found)}`)
          .digest(),
      );
      return Promise.resolve({ key, version: found, currentVersion, maxAgeMs: 60_000 });
    },
  });
  const guard = <T>(work: () => Promise<T>): Promise<T> =>
    faults.keys ? Promise.reject(new AppError('KEY_UNAVAILABLE')) : work();
  return {
    current: (tenant, purpose) => guard(() => ring.current(tenant, purpose)),
    version: (tenant, purpose, version) => guard(() => ring.version(tenant, purpose, version)),
    forget: (tenant) => ring.forget(tenant),
    refresh: (tenant) => ring.refresh(tenant),
    clear: () => ring.clear(),
    close: () => ring.close(),
  };
}

export async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}
