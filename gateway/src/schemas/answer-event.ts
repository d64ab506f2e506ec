import { z } from 'zod';
import { answerDoneSchema, answerExample, citationSchema, deltaSchema, sourceSchema, usageSchema } from './answer.ts';
import { eventOf } from './event.ts';
import { problemSchema } from './problem.ts';

/** Data of the event `sources`. */
export const sourcesSchema = z
  .object({ sources: z.array(sourceSchema).meta({ description: 'What the answer may cite, best first.' }) })
  .meta({ description: 'Data of the event `sources`.' });

/** An event of an answer as it is written. */
export const answerEventSchema = z
  .discriminatedUnion('event', [
    eventOf('sources', 'First, once.', sourcesSchema),
    eventOf('delta', 'A statement, when it has been checked.', deltaSchema),
    eventOf('citation', 'After the statement that it bears out.', citationSchema),
    eventOf('usage', 'Once, before the last.', usageSchema),
    eventOf('done', 'The last one; without it the answer is not complete.', answerDoneSchema),
    eventOf('error', 'The last one, when the answer cannot be completed.', problemSchema),
  ])
  .meta({ description: 'An event of an answer as it is written.' });

const { answer: _answer, statements, sources, citations, usage, ...done } = answerExample;

/** A whole answer, event by event. */
export const answerEventsExample = [
  { event: 'sources', data: { sources } },
  ...statements.map((statement) => ({ event: 'delta', data: statement })),
  ...citations.map((citation) => ({ event: 'citation', data: citation })),
  { event: 'usage', data: usage },
  { event: 'done', data: done },
];
