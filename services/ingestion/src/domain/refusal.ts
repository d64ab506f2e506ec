/**
 * Why a document has no usable text. This module, and every other that the extraction process loads, stands without the
 * platform's libraries: the process may read nothing but its own folders and the parsers.
 */

/** Each is also a reason of the error catalogue. */
export const refusals = [
  'PDF_CORRUPT',
  'PDF_ENCRYPTED',
  'PDF_NO_PAGES',
  'TOO_MANY_PAGES',
  'TEXT_TOO_LARGE',
  'TEXT_ENCODING',
  'NO_TEXT',
  'EXTRACTION_MEMORY',
] as const;
export type Refusal = (typeof refusals)[number];

/** Thrown inside the extraction process; its parent turns it into an AppError with the same reason. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal, options);
    this.refusal = refusal;
  }
}
