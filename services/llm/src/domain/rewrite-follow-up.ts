/**
 * A follow-up in words that need no conversation, without a model: a question that points back, or says too little to search by,
 * is given the content words of the question before it. Nothing is reworded, and nothing comes from an answer: what a document
 * says must not steer what is searched for.
 */
import type { ConversationTurn } from '../ports.ts';
import { readQuestion, termsOf } from './terms.ts';
import { wordOrNumber } from './words.ts';

/** Words that stand for something said before. "There" and "that" also do other work; a word too many does little harm. */
const pointingBack =
  /\b(?:he|him|his|she|her|hers|it|its|they|them|their|theirs|this|that|these|those|there|then|one|ones|same|former|latter|so)\b/iu;
/** How a question begins that goes on with the one before. */
const goingOn = /^\W*(?:and|but|or|also|what about|how about|why|since when|until when|how so|else)\b/iu;
/** A question with fewer content words than this says too little. */
const fewTerms = 2;
/** Words that are taken over at most: more of them would drown what is asked now. */
const maxWords = 8;

/** The question as it stands when it stands alone; otherwise followed by words of the last question that has any to give. */
export function rewriteFollowUp(question: string, history: readonly ConversationTurn[]): string {
  const terms = new Set(termsOf(question));
  const isWhole = terms.size >= fewTerms && !pointingBack.test(question) && !goingOn.test(question);
  if (isWhole) return question;
  for (const { question: before } of history.toReversed()) {
    const words = contentWords(before, terms);
    if (words.length > 0) return `${question} ${words.join(' ')}`;
  }
  return question;
}

/** What a question is about, in its own spelling and order: not what kind of answer it asks for, and nothing that is said already. */
function contentWords(question: string, said: ReadonlySet<string>): string[] {
  const about = new Set(readQuestion(question).terms.filter((term) => !said.has(term)));
  const words: string[] = [];
  for (const [found] of question.normalize('NFKC').matchAll(wordOrNumber)) {
    const [term] = termsOf(found);
    if (term === undefined || !about.delete(term)) continue;
    words.push(found);
    if (words.length === maxWords) break;
  }
  return words;
}
