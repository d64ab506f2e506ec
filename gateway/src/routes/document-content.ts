import { needs, type StreamMemory } from '@wardstone/rpc';
import {
  type DownloadDocumentResponse,
  IngestionService,
} from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { Readable } from 'node:stream';
import type { RouteDeps } from '../deps.ts';
import { attachment } from '../http/content-disposition.ts';
import { type Route, route } from '../route.ts';
import { opensTitles } from './documents.ts';
import { objectFaults } from './refusals.ts';
import { documentParams } from '../schemas/document.ts';

/** Handing out the original bytes of a document. */
export function contentRoute({
  services: { ingestion },
  limits,
  streamMemory,
}: Pick<RouteDeps, 'services' | 'limits' | 'streamMemory'>): Route {
  return route({
    method: 'GET',
    path: '/v1/documents/{documentId}/content',
    access: { rpc: IngestionService.method.downloadDocument },
    operationId: 'downloadDocument',
    summary: "Download a document's original",
    description:
      'The bytes as they were uploaded. A connection that closes before Content-Length bytes came is a failure.',
    tag: 'Documents',
    params: documentParams,
    notFound: 'DOCUMENT_NOT_FOUND',
    success: {
      status: 200,
      description: 'The bytes.',
      streams: { '*': { description: 'The original, in the media type found at upload.' } },
      headers: { 'Content-Disposition': 'Attachment, with the file name (RFC 6266).' },
    },
    problems: ['DOCUMENT_NOT_FOUND', ...opensTitles, 'DATABASE_UNAVAILABLE', ...objectFaults, 'AUDIT_UNAVAILABLE'],
    handle: async ({ params, reply, as }) => {
      const stream = ingestion.downloadDocument({ documentId: params.documentId }, as(limits.transferTimeoutMs));
      const messages = stream[Symbol.asyncIterator]();
      const first = await messages.next();
      const head = first.done === true ? undefined : first.value.part;
      needs(head?.case === 'document', 'INTERNAL');
      const { mediaType, fileName, sizeBytes } = head.value;
      reply
        .header('Content-Type', safeMediaType(mediaType))
        .header('Content-Disposition', attachment(fileName))
        .header('Content-Length', sizeBytes.toString());
      return Readable.from(dataOf(messages, sizeBytes, streamMemory), { objectMode: false });
    },
  });
}

// Half a file must not be taken for a whole one: when the bytes are not as many as announced, the connection breaks.
async function* dataOf(
  messages: AsyncIterator<DownloadDocumentResponse>,
  sizeBytes: bigint,
  streamMemory: StreamMemory,
): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  try {
    for (;;) {
      const message = await messages.next();
      if (message.done === true) break;
      const { part } = message.value;
      needs(part.case === 'data' && part.value.byteLength <= left, 'INTERNAL');
      left -= BigInt(part.value.byteLength);
      if (part.value.byteLength > 0) yield part.value;
      streamMemory.passed(part.value.byteLength);
    }
    needs(left === 0n, 'INTERNAL');
  } finally {
    await messages.return?.();
  }
}

/** What a browser must not run is downloaded as it is; what is no media type at all is just bytes. */
function safeMediaType(mediaType: string): string {
  return /^[a-z0-9][a-z0-9.+-]*\/[a-z0-9][a-z0-9.+-]*$/i.test(mediaType) ? mediaType : 'application/octet-stream';
}
