import { IngestionService, type Document } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { z } from 'zod';
import type { RouteDeps } from '../deps.ts';
import { entityTag } from '../http/entity-tag.ts';
import { idempotencyKeyHeader, idempotencyKeyOf } from '../http/idempotency-key.ts';
import { jsonField, readUpload } from '../http/multipart-upload.ts';
import { paceBounds } from '../http/pace.ts';
import { opensTitles } from './documents.ts';
import { objectFaults } from './refusals.ts';
import { Sending, type Upload } from './upload-stream.ts';
import { refusedBySchema } from '../problem.ts';
import { type RawCall, type Route, route } from '../route.ts';
import {
  documentSchema,
  maxLabels,
  uploadFieldsSchema,
  uploadJsonSchema,
  uploadMultipartSchema,
} from '../schemas/document.ts';
import { toDocument } from '../wire/document.ts';

const chunkBytes = 64 * 1024;
/** A body that is too slow is refused as such, before the call's deadline would say that the service was. */
const deadlineMarginMs = 10_000;

type UploadDeps = Pick<RouteDeps, 'services' | 'limits' | 'uploads' | 'jsonUploads' | 'streamMemory'>;

/** Taking a document in, as multipart (streamed) or as JSON (bounded). */
export function uploadRoute(deps: UploadDeps): Route {
  const { limits, uploads, jsonUploads } = deps;
  return route({
    method: 'POST',
    path: '/v1/documents',
    access: { rpc: IngestionService.method.uploadDocument },
    operationId: 'uploadDocument',
    summary: 'Upload a document',
    description: [
      'Answers 202 when the original is stored, encrypted; reading, embedding and indexing go on behind.',
      'As multipart/form-data the file is streamed: the parts `title`, `labels` and `metadata`, if any, stand before the part `file`, which is the last.',
      'As application/json the bytes come in base64, for clients that cannot send multipart.',
    ].join(' '),
    tag: 'Documents',
    headers: {
      'Idempotency-Key': idempotencyKeyHeader('Makes a repeated upload answer with the first one, for 24 hours.'),
    },
    body: {
      json: uploadJsonSchema,
      name: 'UploadJson',
      maxBytes: limits.jsonUploadMaxBytes,
      timeoutMs: limits.jsonUploadTimeoutMs,
      pace: paceBounds(limits.uploadMinBytesPerSecond, limits.bodyTimeoutMs),
      held: jsonUploads,
      multipart: { schema: uploadMultipartSchema, name: 'UploadMultipart' },
    },
    success: {
      status: 202,
      description: 'The document is stored; its state says how far the pipeline is.',
      json: documentSchema,
      name: 'Document',
      headers: { Location: 'Where the document is.', ETag: "The document's etag." },
    },
    problems: [
      'EMPTY_FILE',
      'FILE_TOO_LARGE',
      'UPLOAD_INCOMPLETE',
      'UPLOAD_MISMATCH',
      'UNSUPPORTED_TYPE',
      'TEXT_ENCODING',
      'TENANT_NOT_FOUND',
      'IDEMPOTENCY_KEY_REUSED',
      ...opensTitles,
      'DATABASE_UNAVAILABLE',
      ...objectFaults,
      'AUDIT_UNAVAILABLE',
    ],
    handle: async ({ body, ...call }) => {
      const idempotencyKey = idempotencyKeyOf(call.request);
      const release = uploads.take(call.principal.tenantId ?? '');
      try {
        const upload = body === undefined ? await multipart(call, deps) : json(body);
        const document = toDocument(await send(deps, call, { ...upload, idempotencyKey }));
        call.reply.header('Location', `/v1/documents/${document.documentId}`).header('ETag', entityTag(document.etag));
        return document;
      } finally {
        release();
      }
    },
  });
}

async function send(
  { services, limits, streamMemory }: UploadDeps,
  call: RawCall,
  upload: Upload,
): Promise<Document | undefined> {
  const sending = new Sending(upload, { timeoutMs: limits.transferTimeoutMs, streamMemory });
  try {
    const options = call.as(limits.transferTimeoutMs + deadlineMarginMs);
    const { document } = await services.ingestion.uploadDocument(sending.messages, options);
    return document;
  } catch (error) {
    // What the client did wrong with its body is the answer, not the broken call that it led to.
    throw sending.fault ?? error;
  } finally {
    sending.stop();
  }
}

async function multipart(call: RawCall, { limits }: UploadDeps): Promise<Omit<Upload, 'idempotencyKey'>> {
  const { fields, lists, fileName, content } = await readUpload(call.request, {
    lists: { labels: maxLabels },
    maxBytes: limits.uploadMaxBytes,
    idleMs: limits.idleTimeoutMs,
    pace: paceBounds(limits.uploadMinBytesPerSecond, limits.idleTimeoutMs),
  });
  const { labels = [] } = lists;
  const [first = ''] = labels;
  const checked = uploadFieldsSchema.safeParse({
    ...fields,
    fileName,
    labels: labels.length === 1 && first.startsWith('[') ? jsonField('labels', first) : labels,
    metadata: fields['metadata'] === undefined ? undefined : jsonField('metadata', fields['metadata']),
  });
  if (!checked.success) throw refusedBySchema(checked.error);
  return { ...namesOf(checked.data), content };
}

function json(body: z.output<typeof uploadJsonSchema>): Omit<Upload, 'idempotencyKey'> {
  const bytes = Buffer.from(body.contentBase64, 'base64');
  return { ...namesOf(body), content: slices(bytes) };
}

function namesOf({ fileName, title = '', labels = [], metadata = {} }: z.output<typeof uploadFieldsSchema>) {
  return { fileName, title, labels, metadata };
}

function* slices(bytes: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}
