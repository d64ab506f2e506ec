import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter, HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { AppError, type Reason, callContext, decodePageToken, encodePageToken, needs, tenantOf } from '@wardstone/rpc';
import { AuditService, type NewEvent } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import {
  type Document,
  DocumentSchema,
  DocumentState,
  IngestionService,
  type UploadMetadata,
} from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import {
  AnswerOutcome,
  type AnswerRequest,
  LlmService,
  QuoteMatch,
  StatementProblem,
  StatementSupport,
} from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { RetrievalService, type SearchRequest } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import {
  TenantKeyService,
  TenantSchema,
  TenantSettingsSchema,
  TenantState,
  type Tenant,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type {
  KeyRotation,
  Offboarding,
  TenantLifecycleService,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { type KeptInTest, createKept, keptInTest } from './in-test-kept.ts';
import { lifecycleInTest, tenantInTest } from './in-test-lifecycle.ts';

/**
 * Small services for the gateway's tests: they speak the real protocol behind the real server kit, and keep what they were
 * sent in memory. They are not the platform's services.
 */

/** An upload as it arrived. */
export interface ReceivedUpload {
  readonly metadata: UploadMetadata;
  readonly subject: string;
  bytes: number;
  sha256: string;
  /** Whether the stream had said that the upload is complete when it ended; undefined while it goes on. */
  ended: 'complete' | 'cut' | undefined;
}

/** Everything the services were sent, and what they answer. Tests change it freely. */
export interface InTestState {
  readonly uploads: ReceivedUpload[];
  readonly documents: Map<string, { readonly tenantId: string; document: Document; content: Uint8Array }>;
  readonly tenants: Map<string, Tenant>;
  readonly rotations: KeyRotation[];
  readonly offboardings: Offboarding[];
  readonly auditEvents: (NewEvent & { readonly subject: string })[];
  readonly searches: SearchRequest[];
  readonly questions: AnswerRequest[];
  readonly kept: KeptInTest;
  /** Runs instead of a method when set, under the method's name. */
  readonly instead: {
    watchDocument?: ServiceImpl<typeof IngestionService>['watchDocument'];
    uploadDocument?: ServiceImpl<typeof IngestionService>['uploadDocument'];
    downloadDocument?: ServiceImpl<typeof IngestionService>['downloadDocument'];
    listDocuments?: ServiceImpl<typeof IngestionService>['listDocuments'];
    answer?: ServiceImpl<typeof LlmService>['answer'];
    startKeyRotation?: ServiceImpl<typeof TenantLifecycleService>['startKeyRotation'];
    search?: ServiceImpl<typeof RetrievalService>['search'];
  };
}

export function createState(): InTestState {
  return {
    uploads: [],
    documents: new Map(),
    tenants: new Map(),
    rotations: [],
    offboardings: [],
    auditEvents: [],
    searches: [],
    questions: [],
    kept: createKept(),
    instead: {},
  };
}

/** A stream that fails before its first message. */
export function failing(reason: Reason): () => AsyncIterable<never> {
  return () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new AppError(reason)) }) });
}

export function addDocument(
  state: InTestState,
  tenantId: string,
  fields: Partial<Document> = {},
  content = 'Hello',
): Document {
  const documentId = uuidv7();
  const now = timestampFromDate(new Date());
  const document = create(DocumentSchema, {
    documentId,
    version: 1,
    title: 'A note',
    fileName: 'note.txt',
    mediaType: 'text/plain',
    sizeBytes: BigInt(Buffer.byteLength(content)),
    state: DocumentState.READY,
    percent: 100,
    pageCount: 1,
    chunkCount: 1,
    createdBy: 'user-1',
    createdAt: now,
    updatedAt: now,
    etag: 'v1',
  });
  Object.assign(document, fields);
  state.documents.set(documentId, { tenantId, document, content: Buffer.from(content) });
  return document;
}

export function addTenant(state: InTestState, tenantId: string, fields: Partial<Tenant> = {}): Tenant {
  const tenant = create(TenantSchema, {
    tenantId,
    displayName: 'A clinic',
    state: TenantState.ACTIVE,
    settings: { chunkSizeChars: 1000, chunkOverlapChars: 150, deletionWindowDays: 30 },
    keyVersion: 1,
    createdAt: timestampFromDate(new Date()),
    etag: 'v1',
  });
  Object.assign(tenant, fields);
  state.tenants.set(tenantId, tenant);
  return tenant;
}

const offsetShape = z.strictObject({ after: z.string() });

function find(state: InTestState, documentId: string, context: HandlerContext) {
  const found = state.documents.get(documentId);
  if (found === undefined || found.tenantId !== tenantOf(callContext(context)))
    throw new AppError('DOCUMENT_NOT_FOUND');
  return found;
}

export function ingestionInTest(state: InTestState): (router: ConnectRouter) => void {
  return (router) =>
    void router.service(IngestionService, {
      async uploadDocument(requests, context) {
        if (state.instead.uploadDocument) return state.instead.uploadDocument(requests, context);
        const call = callContext(context);
        const hash = createHash('sha256');
        let upload: ReceivedUpload | undefined;
        let complete = false;
        try {
          for await (const { part } of requests) {
            needs(!complete, 'UPLOAD_PROTOCOL');
            if (part.case === 'metadata') {
              const { subject } = call.principal;
              upload = { metadata: part.value, subject, bytes: 0, sha256: '', ended: undefined };
              state.uploads.push(upload);
            } else if (part.case === 'data' && upload !== undefined) {
              upload.bytes += part.value.byteLength;
              hash.update(part.value);
            } else if (part.case === 'complete' && upload !== undefined) {
              upload.sha256 = hash.digest('hex');
              needs(part.value.sizeBytes === BigInt(upload.bytes), 'UPLOAD_MISMATCH');
              needs(Buffer.from(part.value.sha256).toString('hex') === upload.sha256, 'UPLOAD_MISMATCH');
              complete = true;
            }
          }
        } finally {
          if (upload !== undefined) upload.ended = complete ? 'complete' : 'cut';
        }
        if (upload === undefined) throw new AppError('UPLOAD_PROTOCOL');
        needs(complete, 'UPLOAD_INCOMPLETE');
        if (upload.bytes === 0) throw new AppError('EMPTY_FILE');
        const { fileName, title, labels, metadata } = upload.metadata;
        const fields = {
          fileName,
          labels,
          metadata,
          title: title || fileName,
          sizeBytes: BigInt(upload.bytes),
          state: DocumentState.RECEIVED,
        };
        return { document: addDocument(state, tenantOf(call), fields) };
      },
      getDocument: ({ documentId }, context) => ({ document: find(state, documentId, context).document }),
      listDocuments: (request, context) => {
        if (state.instead.listDocuments) return state.instead.listDocuments(request, context);
        const { pageSize, pageToken, states } = request;
        const tenantId = tenantOf(callContext(context));
        const after = pageToken === '' ? undefined : decodePageToken(pageToken, offsetShape).after;
        const all = [...state.documents.values()]
          .filter((entry) => entry.tenantId === tenantId)
          .map(({ document }) => document)
          .filter(({ state: itsState }) => states.length === 0 || states.includes(itsState))
          .sort((a, b) => (a.documentId < b.documentId ? 1 : -1))
          .filter(({ documentId }) => after === undefined || documentId < after);
        const documents = all.slice(0, pageSize === 0 ? 50 : pageSize);
        const last = documents.at(-1);
        const more = all.length > documents.length && last !== undefined;
        return { documents, nextPageToken: more ? encodePageToken({ after: last.documentId }) : '' };
      },
      async *watchDocument(request, context) {
        if (state.instead.watchDocument) return yield* state.instead.watchDocument(request, context);
        yield { document: find(state, request.documentId, context).document };
      },
      deleteDocument: ({ documentId, etag }, context) => {
        const found = find(state, documentId, context);
        if (etag !== '' && etag !== found.document.etag) throw new AppError('DOCUMENT_CHANGED');
        state.documents.delete(documentId);
        return {};
      },
      async *downloadDocument(request, context) {
        if (state.instead.downloadDocument) return yield* state.instead.downloadDocument(request, context);
        const { document, content } = find(state, request.documentId, context);
        yield { part: { case: 'document', value: document } };
        yield { part: { case: 'data', value: content } };
      },
    });
}

export function retrievalInTest(state: InTestState): (router: ConnectRouter) => void {
  return (router) =>
    void router.service(RetrievalService, {
      search: (request, context) => {
        state.searches.push(request);
        if (state.instead.search) return state.instead.search(request, context);
        const id = uuidv7();
        const span = { pageStart: 1, pageEnd: 2, charStart: 10, charEnd: 24 };
        const hit = { chunkId: id, documentId: id, version: 1, documentTitle: 'A note', text: 'Aspirin 100 mg', span };
        const scores = { score: 0.5, keywordScore: 3.25, fusedScore: 0.0328 };
        const told = { labels: ['letter'], metadata: { ward: '4 West' } };
        const pageBreaks = [{ page: 1, chunkOffset: 0 }];
        return { hits: [{ ...hit, ...scores, ...told, pageBreaks }], unreadableChunks: 0 };
      },
    });
}

export function llmInTest(state: InTestState): (router: ConnectRouter) => void {
  return (router) => {
    keptInTest(state.kept)(router);
    router.service(LlmService, {
      async *answer(request, context) {
        state.questions.push(request);
        if (state.instead.answer) return yield* state.instead.answer(request, context);
        const documentId = uuidv7();
        const span = { pageStart: 1, pageEnd: 1, charStart: 0, charEnd: 14 };
        const source = {
          number: 1,
          documentId,
          version: 1,
          documentTitle: 'A note',
          span,
          score: 0.5,
          chunkId: uuidv7(),
        };
        yield { event: { case: 'sources', value: { sources: [source] } } };
        const stands = { answerStart: 0, answerEnd: 15 };
        const supported = { ...stands, support: StatementSupport.SUPPORTED };
        yield { event: { case: 'delta', value: { ...supported, text: 'Aspirin 100 mg.' } } };
        const place = { sourceNumber: 1, documentId, version: 1, quote: 'Aspirin 100 mg', span };
        const found = { match: QuoteMatch.EXACT, similarity: 1 };
        yield { event: { case: 'citation', value: { ...place, ...stands, ...found } } };
        const problems = [StatementProblem.NUMBER_NOT_IN_SOURCE];
        const unsupported = { answerStart: 16, answerEnd: 30, support: StatementSupport.UNSUPPORTED, problems };
        yield { event: { case: 'delta', value: { ...unsupported, text: ' Every 8 hours.' } } };
        const tokens = { inputTokens: 900n, outputTokens: 20n, cacheReadTokens: 700n, costMicroUsd: 3_000n };
        yield { event: { case: 'usage', value: { modelId: 'in-test', ...tokens } } };
        const checked = { grounding: 0.5, statements: 2, supported: 1, promptVersion: 'answer-1' };
        yield { event: { case: 'done', value: { outcome: AnswerOutcome.ANSWERED, modelId: 'in-test', ...checked } } };
      },
    });
  };
}

export function tenantKeyInTest(state: InTestState): (router: ConnectRouter) => void {
  return (router) => {
    lifecycleInTest(state)(router);
    router.service(TenantKeyService, {
      createTenant: ({ tenantId, displayName, settings }) => {
        const id = tenantId === '' ? uuidv7() : tenantId;
        const existing = state.tenants.get(id);
        if (existing !== undefined) {
          needs(existing.displayName === displayName, 'TENANT_ALREADY_EXISTS');
          return { tenant: existing };
        }
        const tenant = addTenant(state, id, { displayName });
        tenant.settings = create(TenantSettingsSchema, {
          chunkSizeChars: settings?.chunkSizeChars || 1000,
          chunkOverlapChars: settings?.chunkOverlapChars ?? 150,
          deletionWindowDays: settings?.deletionWindowDays || 30,
        });
        return { tenant };
      },
      getTenant: ({ tenantId }, context) => ({ tenant: tenantInTest(state, tenantId, context) }),
      listTenants: () => ({ tenants: [...state.tenants.values()], nextPageToken: '' }),
    });
  };
}

export function auditInTest(state: InTestState): (router: ConnectRouter) => void {
  return (router) =>
    void router.service(AuditService, {
      appendEvents: ({ events }, context) => {
        const { subject } = callContext(context).principal;
        for (const event of events) state.auditEvents.push({ ...event, subject });
        return { recorded: events.map(({ eventId }, index) => ({ eventId, sequence: BigInt(index + 1) })) };
      },
      listEvents: ({ pageToken, action, outcome }, context) => {
        if (pageToken !== '') decodePageToken(pageToken, offsetShape);
        const events = state.auditEvents
          .filter((event) => action === '' || event.action === action)
          .filter((event) => outcome === 0 || event.outcome === outcome)
          .map(({ eventId, occurredAt, action: itsAction, resourceType, resourceIds, outcome: itsOutcome }, index) => ({
            eventId,
            occurredAt: occurredAt ?? timestampFromDate(new Date()),
            action: itsAction,
            resourceType,
            resourceIds,
            outcome: itsOutcome,
            sequence: BigInt(index + 1),
            tenantId: callContext(context).principal.tenantId ?? '',
            previousHash: new Uint8Array(32),
            hash: new Uint8Array(32).fill(127),
          }));
        return { events, nextPageToken: '' };
      },
    });
}
