import { z } from 'zod';
import { count, id, share, text } from './fields.ts';
import { documentIds, filtersSchema, spanSchema } from './search.ts';

/** A question. */
export const answerRequestSchema = z
  .strictObject({
    question: text({ min: 1, max: 4000 }).meta({ description: 'The question, in words.' }),
    topK: z.int().min(1).max(50).optional().meta({ description: 'How many chunks to read at most; 8 if not given.' }),
    documentIds,
    filters: filtersSchema,
    model: z
      .string()
      .regex(/^[A-Za-z0-9._:/-]{1,200}$/)
      .optional()
      .meta({
        description: "Which model answers: `quality`, `fast`, or an id; the one of the tenant's settings if not given.",
      }),
    conversationId: id.optional().meta({
      description: 'The conversation that the question goes on with; it stands alone if not given.',
    }),
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
    match: z.enum(['EXACT', 'FUZZY']).meta({
      description:
        "How the model's quote was found. EXACT: but for case, white space, hyphenation and typography. FUZZY: nearly, with the same numbers and negations. `quote` is the source's own words in either case.",
    }),
    similarity: share.meta({ description: "How alike the model's words and `quote` are, 0 to 1; 1 when exact." }),
  })
  .meta({ description: 'Words of a source that bear out a statement of the answer.' });

/** Why a statement is not borne out. */
const statementProblem = z
  .enum([
    'NO_QUOTE',
    'QUOTE_NOT_FOUND',
    'WRONG_SOURCE',
    'WRONG_PAGE',
    'NUMBER_NOT_IN_SOURCE',
    'DATE_NOT_IN_SOURCE',
    'NEGATION_DIFFERS',
    'NOT_BORNE_OUT',
  ])
  .meta({
    description: [
      'NO_QUOTE: the model gave none. QUOTE_NOT_FOUND: its words stand in no source. WRONG_SOURCE, WRONG_PAGE: they stand',
      'elsewhere than it said. NUMBER_NOT_IN_SOURCE, DATE_NOT_IN_SOURCE: it says a number, dose or date that what it cites does',
      'not. NEGATION_DIFFERS: it denies what is said there, or says the opposite. NOT_BORNE_OUT: too few of its words occur there,',
      'or the name of a drug or condition does not.',
    ].join(' '),
  });

const support = z.enum(['SUPPORTED', 'UNSUPPORTED']).meta({
  description: 'UNSUPPORTED: the sources do not bear the statement out. Only where the tenant wants those marked.',
});

const statementPlace = {
  answerStart: count.meta({ description: 'Start in `answer`, in UTF-16 code units.' }),
  answerEnd: count.meta({ description: 'End (exclusive) in `answer`.' }),
};
const problems = z
  .array(statementProblem)
  .meta({ description: 'Why the sources do not bear it out; empty when they do.' });

/** A statement of the answer, checked. */
export const statementSchema = z
  .object({ text: z.string().meta({ description: 'The statement.' }), ...statementPlace, support, problems })
  .meta({ description: 'A statement of the answer, checked against the sources.' });

/** Data of the event `delta`. */
export const deltaSchema = z
  .object({
    text: z.string().meta({ description: 'The next statement of the answer, to be put behind those before.' }),
    ...statementPlace,
    support: z.enum(['SUPPORTED', 'UNSUPPORTED', 'NOTICE']).meta({
      description:
        "Whether the sources bear the statement out. NOTICE: not the model's; it says that there is no answer, and why.",
    }),
    problems,
  })
  .meta({ description: 'Data of the event `delta`.' });

/** How an answer ended. */
export const answerOutcome = z.enum(['ANSWERED', 'NOT_IN_DOCUMENTS', 'UNSUPPORTED', 'BLOCKED']).meta({
  description: [
    'NOT_IN_DOCUMENTS: the documents do not answer it; nothing is cited. UNSUPPORTED: there was an answer, and the documents do',
    'not bear it out, so that it is not shown. BLOCKED: a safety check refused the answer, or the rest of it.',
  ].join(' '),
});

/** What the output guard found. */
const guardFinding = z
  .enum(['LEAKED_PROMPT', 'FOREIGN_ADDRESS', 'ACTIVE_CONTENT', 'HIDDEN_CHARACTERS', 'CONTROL_SYNTAX'])
  .meta({ description: 'Why a statement was withheld, whatever the documents say.' });

const modelId = z.string().meta({ description: 'The model that answered, with its version.' });

/** What the answer used. */
export const usageSchema = z
  .object({
    modelId,
    inputTokens: count.meta({ description: 'Tokens read, without those from the cache.' }),
    outputTokens: count.meta({ description: 'Tokens written.' }),
    cacheReadTokens: count.meta({ description: 'Tokens read from the prompt cache.' }),
    cacheWriteTokens: count.meta({ description: 'Tokens written to the prompt cache.' }),
    costMicroUsd: count.meta({ description: 'Cost, in millionths of a US dollar.' }),
  })
  .meta({ description: 'What the answer used, all calls of models together.' });

/** Event `done` of a streamed answer. */
export const answerDoneSchema = z
  .object({
    outcome: answerOutcome,
    modelId,
    grounding: share.meta({
      description: "Share of the model's statements that the sources bear out, 0 to 1; 0 when it made none.",
    }),
    checked: z
      .object({
        statements: count.meta({ description: 'Statements that the model made.' }),
        supported: count.meta({ description: 'Those that the sources bear out.' }),
        withheld: count.meta({ description: 'Those that were not sent.' }),
      })
      .meta({ description: 'What the check came to.' }),
    guardFindings: z.array(guardFinding).meta({ description: 'What the output guard found; empty when nothing.' }),
    promptVersion: z.string().meta({ description: "Version of the model's prompt; empty for a model without one." }),
    truncated: z.boolean().meta({ description: 'Whether the model ran out of output before its end.' }),
    conversationId: id.optional().meta({ description: 'The conversation that the answer was added to.' }),
    turn: count.optional().meta({ description: 'Its number in the conversation, from 1.' }),
  })
  .meta({ description: 'Data of the event `done`.' });

/** An answer as examples show it. */
export const answerExample = {
  answer: 'Release the clamp and press RESET.',
  outcome: 'ANSWERED',
  modelId: 'wardstone-extractive-1',
  grounding: 1,
  checked: { statements: 1, supported: 1, withheld: 0 },
  guardFindings: [],
  promptVersion: '',
  truncated: false,
  statements: [
    {
      text: 'Release the clamp and press RESET.',
      ...{ answerStart: 0, answerEnd: 34, support: 'SUPPORTED', problems: [] },
    },
  ],
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
      match: 'EXACT',
      similarity: 1,
    },
  ],
  usage: {
    ...{ modelId: 'wardstone-extractive-1', inputTokens: 0, outputTokens: 0 },
    ...{ cacheReadTokens: 0, cacheWriteTokens: 0, costMicroUsd: 0 },
  },
};

/** An answer, whole. */
export const answerSchema = z
  .object({
    answer: z.string().meta({ description: 'The answer, in words.' }),
    ...answerDoneSchema.shape,
    statements: z.array(statementSchema).meta({
      description: 'What the answer is made of; empty when it only says why there is none.',
    }),
    sources: z.array(sourceSchema).meta({ description: 'Best first.' }),
    citations: z.array(citationSchema).meta({ description: 'What bears the answer out, in its order.' }),
    usage: usageSchema,
  })
  .meta({
    description: 'An answer with its sources and citations.',
    examples: [answerExample],
  });
