import { z } from 'zod';
import { count, id, text } from './fields.ts';
import { documentIds, spanSchema } from './search.ts';

/** A question. */
export const answerRequestSchema = z
  .strictObject({
    question: text({ min: 1, max: 4000 }).meta({ description: 'The question, in words.' }),
    topK: z.int().min(1).max(50).optional().meta({ description: 'How many chunks to read at most; 8 if not given.' }),
    documentIds,
  })
  .meta({ description: 'A question.', examples: [{ question: 'How is the occlusion alarm reset?' }] });

/** A chunk that the answer may cite. */
export const sourceSchema = z
  .object({
    number: count.meta({ description: 'By which citations name it, from 1.' }),
    documentId: id.meta({ description: 'The document that it is of.' }),
    version: count.meta({ description: "The document's version, from 1." }),
    documentTitle: z.string().meta({ description: "The document's title." }),
    chunkId: id.meta({ description: "The chunk's id." }),
    span: spanSchema,
    score: z.number().meta({
      description:
        'Cosine similarity to the question, -1 to 1. Sources are ordered by words and vectors together, not by this alone.',
    }),
  })
  .meta({ description: 'A chunk that the answer may cite.' });

/** Words of a source that bear out a statement of the answer. */
export const citationSchema = z
  .object({
    sourceNumber: count.meta({ description: "The source's `number`." }),
    documentId: id.meta({ description: 'The document that is cited.' }),
    version: count.meta({ description: "The document's version, from 1." }),
    quote: z.string().meta({ description: "The exact words, as they stand in the source's chunk." }),
    span: spanSchema,
    answerStart: count.meta({ description: 'Start in `answer` of the statement, in UTF-16 code units.' }),
    answerEnd: count.meta({ description: 'End (exclusive) in `answer` of the statement.' }),
  })
  .meta({ description: 'Words of a source that bear out a statement of the answer.' });

/** How an answer ended. */
export const answerOutcome = z
  .enum(['ANSWERED', 'NOT_IN_DOCUMENTS'])
  .meta({ description: 'NOT_IN_DOCUMENTS: the documents do not answer it; nothing is cited.' });

const modelId = z.string().meta({ description: 'The model that answered, with its version.' });

/** Event `done` of a streamed answer. */
export const answerDoneSchema = z
  .object({ outcome: answerOutcome, modelId })
  .meta({ description: 'Data of the event `done`.' });

/** An answer as examples show it. */
export const answerExample = {
  answer: 'Release the clamp and press RESET.',
  outcome: 'ANSWERED',
  modelId: 'wardstone-extractive-1',
  sources: [
    {
      number: 1,
      documentId: '01970000-0000-7000-8000-000000000001',
      version: 1,
      documentTitle: 'Infusion pump manual',
      chunkId: '01970000-0000-7000-8000-000000000002',
      span: { pageStart: 3, pageEnd: 3, charStart: 2210, charEnd: 2274 },
      score: 0.81,
    },
  ],
  citations: [
    {
      sourceNumber: 1,
      documentId: '01970000-0000-7000-8000-000000000001',
      version: 1,
      quote: 'release the clamp and press RESET',
      span: { pageStart: 3, pageEnd: 3, charStart: 2241, charEnd: 2274 },
      answerStart: 0,
      answerEnd: 34,
    },
  ],
};

/** An answer, whole. */
export const answerSchema = z
  .object({
    answer: z.string().meta({ description: 'The answer, in words.' }),
    outcome: answerOutcome,
    modelId,
    sources: z.array(sourceSchema).meta({ description: 'Best first.' }),
    citations: z.array(citationSchema).meta({ description: 'What bears the answer out, in its order.' }),
  })
  .meta({
    description: 'An answer with its sources and citations.',
    examples: [answerExample],
  });
