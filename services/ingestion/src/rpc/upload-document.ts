import { createHash } from 'node:crypto';
import type { HandlerContext } from '@connectrpc/connect';
import { AppError, type CallContext, callContext, createSlots, needs, tenantOf, tenantShare } from '@wardstone/rpc';
import type { UploadDocumentRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { Written } from '@wardstone/storage';
import { currentTraceparent } from '@wardstone/telemetry';
import { v7 as uuidv7 } from 'uuid';
import {
  lowestKeyVersion,
  openDocument,
  openFingerprint,
  sealField,
  sealFingerprint,
  sealLabels,
} from '../adapters/document-seals.ts';
import {
  find,
  findVisible,
  giveUpUpload,
  insertUploading,
  keepUploading,
  markReceived,
  removeRow,
} from '../db/documents.ts';
import { claimKey, findKey, hashKey } from '../db/idempotency.ts';
import { cleanFileName, titleOf } from '../domain/file-name.ts';
import { isUnlabelled, labelsOf, writeLabels, type Labels } from '../domain/labels.ts';
import { detectMediaType, type MediaType } from '../domain/media-type.ts';
import type { SealedDocument } from '../domain/document.ts';
import { flowJob } from '../flow-job.ts';
import type { Deps } from '../ports.ts';
import { openUpload, type OpenUpload } from './upload-stream.ts';
import { toWire } from './wire.ts';

type UploadDeps = Pick<
  Deps,
  'database' | 'auditor' | 'keys' | 'objects' | 'queue' | 'streamMemory' | 'metrics' | 'limits'
>;

/** A row that is uploading says so at least this often; the reconciler gives up those that fell silent. */
const heartbeatMs = 60_000;

/** What is decided of an upload before its bytes are stored. */
interface Accepted extends Labels {
  readonly tenantId: string;
  readonly documentId: string;
  readonly title: string;
  readonly fileName: string;
  readonly mediaType: MediaType;
  /** Undefined without an idempotency key. */
  readonly keyHash: Buffer | undefined;
}

/** What an upload came to. */
interface Result {
  readonly document: SealedDocument;
  readonly outcome: 'accepted' | 'repeated';
}

/** Takes a document in: its bytes flow from the socket through the seal into the store, and never lie anywhere whole. */
export function uploadDocument(deps: UploadDeps) {
  const { maxUploads, tenantSlotPercent } = deps.limits;
  const slots = createSlots(tenantShare(maxUploads, tenantSlotPercent));
  return async (messages: AsyncIterable<UploadDocumentRequest>, context: HandlerContext) => {
    const call = callContext(context);
    let release: (() => void) | undefined;
    try {
      release = slots.take(tenantOf(call));
      const upload = await openUpload(messages, deps.limits.maxUploadBytes);
      try {
        const { document, outcome } = await take(deps, call, upload);
        deps.metrics.uploaded(outcome, document.sizeBytes);
        return { document: toWire(await openDocument(deps.keys, document)) };
      } finally {
        await upload.close();
      }
    } catch (error) {
      deps.metrics.uploaded(AppError.from(error).reason, 0);
      throw error;
    } finally {
      release?.();
    }
  };
}

async function take(deps: UploadDeps, call: CallContext, upload: OpenUpload): Promise<Result> {
  const { metadata } = upload;
  const fileName = cleanFileName(metadata.fileName);
  const accepted: Accepted = {
    tenantId: tenantOf(call),
    documentId: uuidv7(),
    title: titleOf(metadata.title, fileName),
    fileName,
    ...labelsOf(metadata),
    mediaType: await detectMediaType(upload.head, fileName),
    keyHash: metadata.idempotencyKey === '' ? undefined : hashKey(metadata.idempotencyKey),
  };
  const repeated = await answerRepeated(deps, call, accepted, () => digestOf(upload.body()));
  if (repeated !== undefined) return { document: repeated, outcome: 'repeated' };
  return store(deps, call, accepted, upload);
}

/** Stores the original under a row that accounts for it from the first byte. Whatever fails, nothing is left behind. */
async function store(deps: UploadDeps, call: CallContext, accepted: Accepted, upload: OpenUpload): Promise<Result> {
  const { tenantId, documentId, mediaType } = accepted;
  const [titleSealed, fileNameSealed, labelsSealed] = await Promise.all([
    sealField(deps.keys, accepted, 'title', accepted.title),
    sealField(deps.keys, accepted, 'file_name', accepted.fileName),
    sealLabels(deps.keys, accepted, accepted),
  ]);
  const keyVersion = lowestKeyVersion(titleSealed, fileNameSealed, labelsSealed);
  const row = { tenantId, documentId, titleSealed, fileNameSealed, labelsSealed, keyVersion, mediaType };
  const origin = { createdBy: call.principal.subject, requestId: call.requestId };
  await deps.database.inTenant(tenantId, (tx) => insertUploading(tx, { ...row, ...origin }));
  try {
    const ref = { tenantId, documentId, version: 1, name: 'original' } as const;
    const body = withHeartbeat(deps, accepted, upload.body());
    const written = await deps.objects.write(ref, body, { signal: call.signal });
    const claimed = await accept(deps, call, accepted, written);
    if (!claimed) {
      await discard(deps, call, accepted);
      const first = await answerRepeated(deps, call, accepted, () => Promise.resolve(written.sha256));
      if (first === undefined) throw new AppError('IDEMPOTENCY_KEY_REUSED');
      return { document: first, outcome: 'repeated' };
    }
  } catch (error) {
    await discard(deps, call, accepted);
    throw error;
  }
  const document = await deps.database.inTenant(tenantId, (tx) => find(tx, documentId));
  needs(document !== undefined, 'DOCUMENT_NOT_FOUND');
  await startFlow(deps, call, document);
  return { document, outcome: 'accepted' };
}

/**
 * Makes the stored original a document, in one transaction: it has the idempotency key, it is audited, it is visible. False
 * when another upload has the key. The event comes when nothing but the commit is left that could fail, so that the audit
 * log tells of no document that never was, and no document is seen before its event is durable.
 */
async function accept(deps: UploadDeps, call: CallContext, accepted: Accepted, original: Written): Promise<boolean> {
  const { tenantId, documentId, mediaType, keyHash } = accepted;
  const digestSealed = await sealField(deps.keys, accepted, 'digest', original.sha256);
  const fingerprint = fingerprintOf(accepted, original.sha256);
  const keyVersion = Math.min(lowestKeyVersion(digestSealed), original.keyVersion);
  const fingerprintSealed = keyHash && (await sealFingerprint(deps.keys, tenantId, keyHash, fingerprint));
  return deps.database.inTenant(tenantId, async (tx) => {
    if (keyHash !== undefined && fingerprintSealed !== undefined) {
      const key = { tenantId, keyHash, documentId, fingerprintSealed, keyVersion: lowestKeyVersion(fingerprintSealed) };
      if (!(await claimKey(tx, key))) return false;
    }
    // The reconciler gave the row up: the objects may be gone already, so the upload counts as cut.
    const change = { sizeBytes: original.bytes, digestSealed, keyVersion };
    needs(await markReceived(tx, documentId, change), 'UPLOAD_INCOMPLETE');
    await deps.auditor.record(call, {
      action: 'document.create',
      resourceType: 'document',
      resourceIds: [documentId],
      outcome: 'success',
      attributes: { media_type: mediaType, size_bytes: String(original.bytes) },
    });
    return true;
  });
}

/**
 * The document that an earlier upload with the same key made, audited as a read; undefined when there is none.
 * Thrown: IDEMPOTENCY_KEY_REUSED when the key stood for other bytes or other names.
 */
async function answerRepeated(
  deps: UploadDeps,
  call: CallContext,
  accepted: Accepted,
  digest: () => Promise<string>,
): Promise<SealedDocument | undefined> {
  const { tenantId, keyHash } = accepted;
  if (keyHash === undefined) return undefined;
  const earlier = await deps.database.inTenant(tenantId, async (tx) => {
    const key = await findKey(tx, keyHash);
    const document = key && (await findVisible(tx, key.documentId));
    return key && document && { key, document };
  });
  if (earlier === undefined) return undefined;
  const known = await openFingerprint(deps.keys, tenantId, keyHash, earlier.key.fingerprintSealed);
  needs(known === fingerprintOf(accepted, await digest()), 'IDEMPOTENCY_KEY_REUSED');
  await deps.auditor.record(call, {
    action: 'document.read',
    resourceType: 'document',
    resourceIds: [earlier.document.documentId],
    outcome: 'success',
  });
  return earlier.document;
}

/** What two uploads with one key must have in common. Without labels it is what it was before there were any. */
function fingerprintOf(accepted: Accepted, sha256: string): string {
  const { title, fileName } = accepted;
  return JSON.stringify([sha256, title, fileName, ...(isUnlabelled(accepted) ? [] : [writeLabels(accepted)])]);
}

async function digestOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}

async function* withHeartbeat(
  deps: Pick<Deps, 'database' | 'streamMemory'>,
  { tenantId, documentId }: Accepted,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let toldAt = performance.now();
  for await (const piece of body) {
    yield piece;
    deps.streamMemory.passed(piece.length);
    if (performance.now() - toldAt < heartbeatMs) continue;
    toldAt = performance.now();
    needs(await deps.database.inTenant(tenantId, (tx) => keepUploading(tx, documentId)), 'UPLOAD_INCOMPLETE');
  }
}

/** Removes what a failed upload left. What cannot be removed now, the reconciler finds by its row. */
async function discard(
  deps: UploadDeps,
  call: CallContext,
  { tenantId, documentId }: Pick<Accepted, 'tenantId' | 'documentId'>,
): Promise<void> {
  try {
    // The row first: a commit whose answer was lost may have accepted the document, and then its bytes must stay.
    if (!(await deps.database.inTenant(tenantId, (tx) => giveUpUpload(tx, documentId)))) return;
    await deps.objects.removeDocument(tenantId, documentId);
    await deps.database.inTenant(tenantId, (tx) => removeRow(tx, documentId));
  } catch (error) {
    call.log.warn({ err: error, documentId }, 'an upload that failed is left to the reconciler');
  }
}

/** A queue that is away does not undo an accepted document: the reconciler adds the flow when it is back. */
async function startFlow(deps: Pick<Deps, 'queue'>, call: CallContext, document: SealedDocument): Promise<void> {
  try {
    await deps.queue.addDocumentFlow(flowJob(document, currentTraceparent()));
  } catch (error) {
    call.log.warn({ err: error, documentId: document.documentId }, 'the flow is left to the reconciler');
  }
}
