/** The service's handlers over real seals and a real object store; peers are plain objects. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyRing, type KeyRing } from '@wardstone/crypto';
import { chunksArtefact, readVectorsArtefact, type StageJob } from '@wardstone/queue';
import { AppError, type CallerCheck, type Principal } from '@wardstone/rpc';
import { createFileStore, createSealedObjects, type ObjectRef, type SealedObjects } from '@wardstone/storage';
import { createTelemetry, Registry, type Telemetry } from '@wardstone/telemetry';
import { createTestAuditor, type RecordedEvent } from '@wardstone/service-testing';
import { noVectorCache } from '../../src/adapters/open-vector-cache.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createLexicalEmbedder } from '../../src/domain/lexical-embedder.ts';
import { servedModels } from '../../src/domain/served-models.ts';
import type { Deps, EmbeddingModel } from '../../src/ports.ts';

export const tenantId = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f00';
export const documentId = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f01';
export const clinician: Principal = { subject: 'user-1', kind: 'user', tenantId, roles: ['clinician'] };
export const job: StageJob = { tenantId, documentId, version: 1, requestId: 'request-1', requestedBy: 'user-1' };

export interface Harness {
  /** Where objects are. */
  readonly dir: string;
  readonly deps: Deps;
  readonly objects: SealedObjects;
  readonly events: RecordedEvent[];
  readonly reports: number[];
  readonly faults: { audit: boolean };
  /** Writes a `chunks` artefact, of the document of `job` unless told. */
  writeChunks(texts: readonly string[], title?: string, of?: StageJob): Promise<void>;
  /** The artefact `vectors` as the next stage reads it. */
  readVectors(of?: StageJob): Promise<{ modelId: string; vectors: Float32Array[] }>;
  /** Puts bytes that no key opens in the place of an artefact. */
  corrupt(name: ObjectRef['name']): Promise<void>;
  close(): Promise<void>;
}

/** With a folder of its own; or in that of another harness, in another process. */
export async function openHarness(
  model: EmbeddingModel = createLexicalEmbedder(),
  ofAnother?: string,
): Promise<Harness> {
  const dir = ofAnother ?? (await mkdtemp(join(tmpdir(), 'wardstone-embedding-')));
  const objects = createSealedObjects({ store: createFileStore({ dir }), keys: testKeys() });
  const events: RecordedEvent[] = [];
  const reports: number[] = [];
  const faults = { audit: false };
  const deps: Deps = {
    models: servedModels(model, []),
    cache: noVectorCache,
    objects,
    auditor: createTestAuditor({
      onEvent: (event) => events.push(event),
      before: () => {
        if (faults.audit) throw new AppError('AUDIT_UNAVAILABLE');
      },
    }),
    progress: { report: (_job, percent) => void reports.push(percent) },
    metrics: createMetrics(new Registry()),
    limits: { batchTexts: 2, maxCalls: 3, maxRequests: 64, tenantSlotPercent: 50 },
  };
  return {
    dir,
    deps,
    objects,
    events,
    reports,
    faults,
    writeChunks: async (texts, title = 'Title', of = job) => {
      await objects.writeJsonLines({ ...of, name: 'chunks' }, chunkLines(texts, title, of));
    },
    readVectors: async (of = job) => {
      let modelId = '';
      const vectors: Float32Array[] = [];
      for await (const line of readVectorsArtefact(objects.readJsonLines({ ...of, name: 'vectors' }))) {
        if ('vector' in line) vectors.push(line.vector);
        else ({ modelId } = line);
      }
      return { modelId, vectors };
    },
    corrupt: async (name) => {
      const path = `objects/tenants/${tenantId}/documents/${documentId}/1/${name}~`;
      await writeFile(join(dir, path), 'nothing that was sealed', { flag: 'r+' });
    },
    close: async () => rm(dir, { recursive: true, force: true }),
  };
}

function chunkLines(texts: readonly string[], title: string, of: StageJob): Iterable<string> {
  return chunksArtefact(
    {
      kind: 'document',
      documentId: of.documentId,
      version: of.version,
      title,
      fileName: 'file.txt',
      pageCount: 1,
      charCount: 10_000,
      mediaType: 'text/plain',
    },
    texts.map((text, ordinal) => ({
      kind: 'chunk',
      ordinal,
      text,
      pageStart: 1,
      pageEnd: 1,
      charStart: ordinal * 100,
      charEnd: ordinal * 100 + text.length,
      pageBreaks: [{ page: 1, chunkOffset: 0 }],
    })),
  );
}

/** Keys that follow from what they are for. */
export function testKeys(): KeyRing {
  return createKeyRing({
    fetch: (tenant, purpose, version) =>
      Promise.resolve({
        key: new Uint8Array(createHash('sha256').update(`${tenant}/${purpose}`).digest()),
        version: version === 0 ? 1 : version,
        currentVersion: 1,
        maxAgeMs: 60_000,
      }),
  });
}

export function quietTelemetry(): Telemetry {
  return createTelemetry({ service: 'embedding', version: '0', logLevel: 'silent' });
}

/** Takes everybody for a clinician who comes through retrieval. */
export const permissiveCheck: CallerCheck = () => Promise.resolve({ principal: clinician, peer: 'retrieval' });
