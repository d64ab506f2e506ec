import { z } from 'zod';
import { documentExample, documentSchema, finalStates } from './document.ts';
import { eventOf } from './event.ts';
import { problemSchema } from './problem.ts';

/** Data of the event `done` of a watch. */
export const watchDoneSchema = z
  .object({ state: z.enum(finalStates).meta({ description: 'How it ended; DELETING: the document was deleted.' }) })
  .meta({ description: 'Data of the event `done` of a watch.' });

/** An event of a watch. */
export const documentEventSchema = z
  .discriminatedUnion('event', [
    eventOf('document', 'First, and after every change.', documentSchema),
    eventOf('done', 'The last one, when nothing more will change.', watchDoneSchema),
    eventOf('error', 'The last one, when the watch cannot go on.', problemSchema),
  ])
  .meta({ description: "An event of a document's progress." });

/** A whole watch, event by event. */
export const documentEventsExample = [
  {
    event: 'document',
    data: { ...documentExample, state: 'EMBEDDING', percent: 40, chunkCount: 0, etag: '1-4' },
  },
  { event: 'document', data: documentExample },
  { event: 'done', data: { state: 'READY' } },
];
