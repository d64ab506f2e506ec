/** The verifier on its own, beside the plainest check that there is: whether the quote stands in its source. */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { splitSentences } from '@wardstone/llm/domain/sentences';
import { createVerifier } from '@wardstone/llm/domain/verify/verify-statement';
import { inventedText } from '../material.ts';
import { sharedDataDir } from '../shared-data.ts';

/** An answer: its sources, and sentences of theirs that are its statements and quote themselves. */
interface CheckedAnswer {
  readonly sources: Parameters<typeof createVerifier>[0];
  readonly statements: readonly { readonly text: string; readonly sourceNumber: number }[];
}

const collections = ['covidqa', 'medquad', 'pubmedqa'];
const textsOfCollection = 160;
const sourcesOfAnswer = 8;
const statementsOfAnswer = 5;
/** As chunks are. */
const charsOfSource = 1_000;
const minSentenceChars = 40;

export interface VerifierMaterial {
  readonly answers: readonly CheckedAnswer[];
  /** Where the texts are from. */
  readonly from: string;
}

/** Answers from passages of real texts; from invented ones when the collections are absent. */
export async function verifierMaterial(): Promise<VerifierMaterial> {
  const real = (await Promise.all(collections.map(textsOf))).flat();
  const isReal = real.length >= collections.length * textsOfCollection;
  const texts = isReal
    ? real
    : Array.from({ length: collections.length * textsOfCollection }, (_, seed) => inventedText(seed, charsOfSource));
  const answers: CheckedAnswer[] = [];
  for (let at = 0; at + sourcesOfAnswer <= texts.length; at += sourcesOfAnswer) {
    answers.push(answerFrom(texts.slice(at, at + sourcesOfAnswer)));
  }
  return { answers, from: isReal ? 'sentences of COVID-QA, MedQuAD and PubMedQA' : 'invented sentences' };
}

export function countStatements(answers: readonly CheckedAnswer[]): number {
  return answers.reduce((sum, { statements }) => sum + statements.length, 0);
}

/** The verifier as an answer has it: each source is read once. Gives how many statements it accepts. */
export function verifyAll(answers: readonly CheckedAnswer[]): number {
  let accepted = 0;
  for (const { sources, statements } of answers) {
    const verifier = createVerifier(sources);
    for (const { text, sourceNumber } of statements) {
      const { problems } = verifier.verify({ text, quotes: [{ sourceNumber, quote: text }] });
      if (problems.length === 0) accepted += 1;
    }
  }
  return accepted;
}

/** Normalises each source once, and each quote, and looks for the one in the other. Gives how many it finds. */
export function lookUpAll(answers: readonly CheckedAnswer[]): number {
  let found = 0;
  for (const { sources, statements } of answers) {
    const read = sources.map(({ text }) => normalise(text));
    for (const { text, sourceNumber } of statements) {
      if (read[sourceNumber - 1]?.includes(normalise(text)) === true) found += 1;
    }
  }
  return found;
}

function normalise(text: string): string {
  return text.normalize('NFKD').toLowerCase().replace(/\s+/g, ' ').trim();
}

function answerFrom(texts: readonly string[]): CheckedAnswer {
  const sources = texts.map((text, index) => ({
    ...{ number: index + 1, chunkId: String(index), documentId: String(index), version: 1, title: '', text },
    ...{ charStart: 0, pageBreaks: [{ page: 1, chunkOffset: 0 }], score: 0.5 },
  }));
  const statements = sources.slice(0, statementsOfAnswer).flatMap(({ text, number }) => {
    const sentences = splitSentences(text).map(({ start, end }) => text.slice(start, end));
    const sentence = sentences.find(({ length }) => length >= minSentenceChars);
    return sentence === undefined ? [] : [{ text: sentence, sourceNumber: number }];
  });
  return { sources, statements };
}

/** The beginnings of a collection's first texts; none when it is absent. */
async function textsOf(collection: string): Promise<string[]> {
  const texts: string[] = [];
  const input = createReadStream(path.join(sharedDataDir, collection, 'corpus.jsonl'), 'utf8');
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      const { text } = JSON.parse(line) as { readonly text?: unknown };
      if (typeof text === 'string' && text.length >= charsOfSource / 2) texts.push(text.slice(0, charsOfSource));
      if (texts.length === textsOfCollection) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    input.destroy();
  }
  return texts;
}
