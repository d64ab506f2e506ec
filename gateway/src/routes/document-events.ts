import { needs } from '@wardstone/rpc';
import { IngestionService, type WatchDocumentResponse } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { RouteDeps } from '../deps.ts';
import { type StreamEvent, eventStreamMediaType, frame } from '../http/event-stream.ts';
import { opensTitles } from './documents.ts';
import { streamEvents } from './stream-events.ts';
import { type Route, route } from '../route.ts';
import { documentEventSchema, documentEventsExample, watchDoneSchema } from '../schemas/document-event.ts';
import { documentParams, documentSchema } from '../schemas/document.ts';
import { toDocument } from '../wire/document.ts';

/** Watching a document go through the pipeline. */
export function eventsRoute(deps: Pick<RouteDeps, 'services' | 'limits' | 'streams'>): Route {
  return route({
    method: 'GET',
    path: '/v1/documents/{documentId}/events',
    access: { rpc: IngestionService.method.watchDocument },
    operationId: 'watchDocument',
    summary: "Watch a document's progress",
    description: [
      'Server-sent events: `document` now and after every change, with the document as data; `done` when it is READY, FAILED',
      'or deleted; `error` with a problem as data when the watch cannot go on. A comment every 15 s keeps the connection.',
      'A watch may simply be opened again: it begins with the document as it then is.',
    ].join(' '),
    tag: 'Documents',
    params: documentParams,
    notFound: 'DOCUMENT_NOT_FOUND',
    success: {
      status: 200,
      description: 'The events.',
      streams: {
        [eventStreamMediaType]: {
          description: 'Events `document`, `done` and `error`.',
          events: {
            name: 'DocumentEvent',
            schema: documentEventSchema,
            example: documentEventsExample.map(frame).join(''),
          },
        },
      },
    },
    problems: ['DOCUMENT_NOT_FOUND', ...opensTitles, 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: (call) => {
      const request = { documentId: call.params.documentId };
      const watch = deps.services.ingestion.watchDocument(request, call.as(deps.limits.streamMaxMs));
      return streamEvents(deps, call, events(watch));
    },
  });
}

async function* events(watch: AsyncIterable<WatchDocumentResponse>): AsyncGenerator<StreamEvent> {
  let state = 'none';
  for await (const { document } of watch) {
    const shown = documentSchema.parse(toDocument(document));
    state = shown.state;
    yield { event: 'document', data: shown };
  }
  // A watch that ends early, because its service restarts, is not the document's end: the client watches again.
  const done = watchDoneSchema.safeParse({ state });
  needs(done.success, 'SERVICE_UNAVAILABLE');
  yield { event: 'done', data: done.data };
}
