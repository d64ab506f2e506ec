/** Writes the index as the stage `index` does, with the same functions. Loading again replaces the documents. */
import { randomBytes } from 'node:crypto';
import { createServiceIdentity } from '@wardstone/access';
import { createKeyRing, createRemoteKeyRing, seal, type KeyRing, type SealedText } from '@wardstone/crypto';
import { type Database, openDatabase } from '@wardstone/db';
import { createLexicalEmbedder } from '@wardstone/embedding/domain/lexical-embedder';
import type { Platform } from '@wardstone/local/platform/platform';
import { serviceKeyFile } from '@wardstone/local/platform/service-keys';
import { createKeywordWriter } from '@wardstone/retrieval/adapters/keyword-writer';
import { sealPassage, sealTitle } from '@wardstone/retrieval/adapters/seals';
import type { TenantTerms } from '@wardstone/retrieval/adapters/tenant-terms';
import { insertChunks, insertVectors, lockDocument, replaceDocument } from '@wardstone/retrieval/db/documents';
import type { NewChunk, NewVector } from '@wardstone/retrieval/db/documents';
import { entities } from '@wardstone/retrieval/db/entities';
import { lockOrBeginTenantModel } from '@wardstone/retrieval/db/tenant-model';
import { mergeTenant } from '@wardstone/retrieval/jobs/merge-keywords';
import { createMetrics } from '@wardstone/retrieval/metrics';
import { createServiceClient } from '@wardstone/rpc';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import pg from 'pg';
import { inventedVector, rareText } from './material.ts';

export const chunksPerDocument = 100;
const chunksPerInsert = 50;
/** Words of a chunk. */
const wordsPerChunk = 120;
/** The first version, which a new tenant has. Invented vectors are as good in its space as in any. */
const keyVersion = 1;
const modelId = createLexicalEmbedder().id;

export interface IndexLoader {
  readonly database: Database;
  readonly keys: KeyRing;
  /** A document of `chunksPerDocument` chunks that open, with their keyword rows. */
  write(tenantId: string, number: number, terms: TenantTerms): Promise<void>;
  /** A document of rows that no search opens: they only have to be there. */
  writeStranger(tenantId: string, number: number, chunks: number): Promise<void>;
  /** Keyword rows alone, of a document whose chunks nobody asks for. */
  writeKeywords(tenantId: string, number: number, terms: TenantTerms): Promise<void>;
  /** Merges until nothing is left to merge. */
  merge(tenantId: string): Promise<void>;
  close(): Promise<void>;
}

export async function openIndexLoader(running: Platform): Promise<IndexLoader> {
  const identity = await createServiceIdentity({
    service: 'retrieval',
    privateJwkFile: serviceKeyFile(running.layout.keysDir, 'retrieval'),
  });
  const tenantKey = createServiceClient(TenantKeyService, {
    baseUrl: running.urls['tenant-key'],
    audience: 'tenant-key',
    authorize: identity.authorize('tenant-key'),
  });
  const keys = createRemoteKeyRing(tenantKey, 'retrieval');
  // Tenants that there are only rows of: tenant-key knows none of them.
  const strangers = strangersKeys();
  const url = running.databases.app('retrieval');
  const database = await openDatabase({ url, schema: 'retrieval', entities, poolSize: 2, applicationName: 'bench' });
  const { log } = createTelemetry({ service: 'bench', version: '0', logLevel: 'silent' });
  const merging = { database, metrics: createMetrics(new Registry()), log };

  const writeDocument = async (
    head: DocumentHead,
    chunks: readonly (NewChunk & NewVector)[],
    keywords?: { readonly terms: TenantTerms; readonly texts: readonly string[] },
  ): Promise<void> => {
    const rest = { labelsSealed: undefined, contentKeyVersion: keyVersion, termsKeyVersion: keyVersion };
    await database.inTenant(head.tenantId, async (tx) => {
      await lockDocument(tx, head);
      await replaceDocument(tx, { ...head, ...rest });
      for (let at = 0; at < chunks.length; at += chunksPerInsert) {
        const batch = chunks.slice(at, at + chunksPerInsert);
        await insertChunks(tx, head, batch);
        await insertVectors(tx, head, { modelId, vectorKeyVersion: keyVersion }, batch);
      }
      await lockOrBeginTenantModel(tx, head.tenantId, modelId);
      if (keywords === undefined) return;
      const writer = createKeywordWriter(tx, head, keywords.terms);
      for (const text of keywords.texts) await writer.add(text);
      await writer.finish();
    });
  };

  return {
    database,
    keys,
    write: async (tenantId, number, terms) => {
      const texts = textsOf(number);
      const documentId = fixedUuid(1, number);
      const titleSealed = await sealTitle(keys, tenantId, documentId, `Invented document ${number}`);
      const rows = texts.map(async (text, ordinal) => sealedChunk(keys, tenantId, documentId, ordinal, text, number));
      const head = { tenantId, documentId, version: 1, titleSealed, chunkCount: texts.length };
      await writeDocument(head, await Promise.all(rows), { terms, texts });
    },
    writeStranger: async (tenantId, number, chunks) => {
      const documentId = fixedUuid(2, number);
      const titleSealed = await sealTitle(strangers, tenantId, documentId, 'Stranger');
      // One value for all: they are as long as passages, and nobody opens them.
      const place = { tenantId, resource: documentId, field: 'passage' };
      const passageSealed = await seal(strangers, 'content', place, 'x'.repeat(1_000));
      const rows = Array.from({ length: chunks }, (_, ordinal) => ({
        ...{ ordinal, passageSealed, contentKeyVersion: keyVersion },
        vector: inventedVector(number * chunks + ordinal, 1024),
      }));
      await writeDocument({ tenantId, documentId, version: 1, titleSealed, chunkCount: chunks }, rows);
    },
    writeKeywords: async (tenantId, number, terms) => {
      const documentId = fixedUuid(3, number);
      const titleSealed = await sealTitle(strangers, tenantId, documentId, 'Keywords');
      const head = { tenantId, documentId, version: 1, titleSealed };
      await writeDocument({ ...head, chunkCount: chunksPerDocument }, [], { terms, texts: textsOf(number) });
    },
    merge: async (tenantId) => {
      for (;;) {
        const { merged, dropped } = await mergeTenant(merging, tenantId);
        if (merged + dropped === 0) return;
      }
    },
    close: async () => {
      await database.close();
      await keys.close();
      await strangers.close();
    },
  };
}

function strangersKeys(): KeyRing {
  const key = randomBytes(32);
  return createKeyRing({
    fetch: () => Promise.resolve({ key, version: keyVersion, currentVersion: keyVersion, maxAgeMs: 3_600_000 }),
  });
}

interface DocumentHead {
  readonly tenantId: string;
  readonly documentId: string;
  readonly version: number;
  readonly titleSealed: SealedText;
  readonly chunkCount: number;
}

/** The texts of a document's chunks, the same in every run. */
export function textsOf(number: number): string[] {
  return Array.from({ length: chunksPerDocument }, (_, ordinal) =>
    rareText(number * chunksPerDocument + ordinal, wordsPerChunk),
  );
}

async function sealedChunk(
  keys: KeyRing,
  tenantId: string,
  documentId: string,
  ordinal: number,
  text: string,
  number: number,
): Promise<NewChunk & NewVector> {
  const place = { pageStart: 1, pageEnd: 1, charStart: ordinal * 900, charEnd: ordinal * 900 + text.length };
  const passage = { text, ...place, pageBreaks: [{ page: 1, chunkOffset: 0 }] };
  const passageSealed = await sealPassage(keys, tenantId, { documentId, version: 1, ordinal }, passage);
  const vector = neighbourlyVector(number * chunksPerDocument + ordinal);
  return { ordinal, passageSealed, contentKeyVersion: keyVersion, vector };
}

/** Near enough to some of the others to have real neighbours, as embeddings have: invented at random, all are equally far. */
export function neighbourlyVector(seed: number): Float32Array {
  const [centre, noise] = [inventedVector(1_000_000 + (seed % 500), 1024), inventedVector(seed, 1024)];
  const share = 0.35 + 0.5 * (((seed * 7919) % 1000) / 1000);
  const sum = centre.map((value, at) => share * value + (1 - share) * (noise[at] ?? 0));
  const length = Math.sqrt(sum.reduce((squares, value) => squares + value * value, 0));
  return sum.map((value) => value / length);
}

/** The same id for the same numbers in every run. */
export function fixedUuid(group: number, number: number): string {
  return `01970000-${group.toString(16).padStart(4, '0')}-7000-8000-${number.toString(16).padStart(12, '0')}`;
}

/** What autovacuum does a minute later: neither side should have it in its times. */
export async function vacuumIndex(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    for (const table of [
      'chunk',
      'chunk_vector',
      'chunk_bits',
      'indexed_document',
      'keyword_document',
      'keyword_segment',
    ]) {
      await client.query(`vacuum analyze retrieval.${table}`);
    }
  } finally {
    await client.end();
  }
}
