/** What one statement of a model may be, for whoever reads it and whoever checks it. */

/** Longer statements are not borne out: nobody could check them either. */
export const maxStatementChars = 4_000;
/** Quotes of one statement that are looked at; with more of them it is not borne out. */
export const maxQuotesOfStatement = 16;
/** Characters of a quote; of a longer one nothing is found. */
export const maxQuoteChars = 4_000;
