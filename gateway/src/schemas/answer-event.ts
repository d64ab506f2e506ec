import { z } from 'zod';
import { answerDoneSchema, answerExample, citationSchema, sourceSchema } from './answer.ts';
import { eventOf } from './event.ts';
import { problemSchema } from './problem.ts';

/** Data of the event `sources`. */
export const sourcesSchema = z
  .object({ sources: z.array(sourceSchema).meta({ description: 'What the answer may cite, best first.' }) })
  .meta({ description: 'Data of the event `sources`.' });

/** Data of the event `delta`. */
export const deltaSchema = z
  .object({ text: z.string().meta({ description: 'The next words of the answer, to be put behind those before.' }) })
  .meta({ description: 'Data of the event `delta`.' });

/** An event of an answer as it is written. */
export const answerEventSchema = z
  .discriminatedUnion('event', [
    eventOf('sources', 'First, once.', sourcesSchema),
    eventOf('delta', 'As the answer is written.', deltaSchema),
    eventOf('citation', 'After the statement that it bears out.', citationSchema),
    eventOf('done', 'The last one; without it the answer is not complete.', answerDoneSchema),
    eventOf('error', 'The last one, when the answer cannot be completed.', problemSchema),
  ])
  .meta({ description: 'An event of an answer as it is written.' });

const { answer, outcome, modelId, sources, citations } = answerExample;

/** A whole answer, event by event. */
export const answerEventsExample = [
  { event: 'sources', data: { sources } },
  { event: 'delta', data: { text: answer.slice(0, 18) } },
  { event: 'delta', data: { text: answer.slice(18) } },
  ...citations.map((citation) => ({ event: 'citation', data: citation })),
  { event: 'done', data: { outcome, modelId } },
];
