/** How an answer ended. */
export type AnswerOutcome = 'answered' | 'not-in-documents' | 'unsupported' | 'blocked';

/** The whole answer when the documents do not answer. */
export const notInDocuments = 'The documents do not answer this question.';
/** The whole answer when what the model said is not borne out. */
export const unsupported = 'An answer was written, but the documents do not bear it out, so it is not shown.';
/** The whole answer when a guardrail or the output guard let nothing of it through. */
export const blocked = 'The answer was withheld because a safety check refused it.';
