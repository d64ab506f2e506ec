import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, tenantOf } from '@wardstone/rpc';
import type { DownloadDocumentRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { openDocument } from '../adapters/document-seals.ts';
import type { Deps } from '../ports.ts';
import { loadAudited } from './load-document.ts';
import { toWire } from './wire.ts';

const pieceBytes = 64 * 1024;

/** The original bytes as they were uploaded, 64 KiB at a time, no faster than the caller takes them, while the tenant is served. */
export function downloadDocument(
  deps: Pick<Deps, 'database' | 'auditor' | 'gate' | 'keys' | 'objects' | 'streamMemory'>,
) {
  return async function* (request: DownloadDocumentRequest, context: HandlerContext) {
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const document = await loadAudited(deps, call, request.documentId, 'document.download');
    const { documentId, version } = document;
    const original = await deps.objects
      .read({ tenantId, documentId, version, name: 'original' }, { signal: call.signal })
      .catch(deletedMeanwhile);
    try {
      yield { part: { case: 'document' as const, value: toWire(await openDocument(deps.keys, document)) } };
      for await (const bytes of original as AsyncIterable<Buffer>) {
        // The key of a stream that is open outlives the cache: a tenant that is closed meanwhile gets no further byte.
        deps.gate.check(tenantId);
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          yield { part: { case: 'data' as const, value: bytes.subarray(at, at + pieceBytes) } };
        }
        deps.streamMemory.passed(bytes.length);
      }
    } finally {
      original.destroy();
    }
  };
}

/** A visible document has its original; without one, its deletion overtook this call. */
function deletedMeanwhile(error: unknown): never {
  throw AppError.from(error).reason === 'NOT_FOUND' ? new AppError('DOCUMENT_NOT_FOUND', { cause: error }) : error;
}
