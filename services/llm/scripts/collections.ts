/** Collections with known answers, for the scripts beside this one: their chunks, their questions, and a search by BM25. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { termsOf } from '../src/domain/terms.ts';
import type { AnswerSource } from '../src/ports.ts';

export interface Chunk {
  readonly id: string;
  readonly documentId: string;
  readonly title: string;
  readonly text: string;
  readonly start: number;
}
export interface Case {
  readonly question: string;
  /** Whether a stretch of a chunk is the answer, or part of it. */
  readonly isGold: (chunk: Chunk, start: number, end: number) => boolean;
  /** Whether a chunk has to go when the answer is to be removed. */
  readonly isRelated: (chunk: Chunk) => boolean;
}

export interface Collection {
  readonly cases: readonly Case[];
  /** All chunks, best first. */
  search(question: string): readonly Chunk[];
}

const chunkSchema = z.object({
  id: z.string(),
  title: z.string().default(''),
  text: z.string(),
  doc_id: z.string().optional(),
  start: z.number().default(0),
});
const qaSchema = z.object({
  doc_id: z.string(),
  question: z.string(),
  answers: z.array(z.object({ start: z.number(), end: z.number() })),
});

/** Reads a folder: corpus.jsonl, and qa.jsonl with answer spans or queries.jsonl and qrels.tsv. */
export function readCollection(folder: string): Collection {
  const chunks = readChunks(folder);
  const hasSpans = existsSync(join(folder, 'qa.jsonl')) && chunks.some(({ start }) => start > 0);
  return { cases: hasSpans ? qaCases(folder) : judgedCases(folder), search: bm25(chunks) };
}

function readLines(folder: string, name: string): unknown[] {
  return readFileSync(join(folder, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

function readChunks(folder: string): Chunk[] {
  return readLines(folder, 'corpus.jsonl').map((line) => {
    const { id, title, text, doc_id: documentId = id, start } = chunkSchema.parse(line);
    return { id, documentId, title, text, start };
  });
}

function qaCases(folder: string): Case[] {
  return readLines(folder, 'qa.jsonl').map((line) => {
    const { doc_id: documentId, question, answers } = qaSchema.parse(line);
    return {
      question,
      isGold: (chunk, start, end) =>
        chunk.documentId === documentId &&
        answers.some((answer) => chunk.start + start < answer.end && answer.start < chunk.start + end),
      isRelated: (chunk) => chunk.documentId === documentId,
    };
  });
}

function judgedCases(folder: string): Case[] {
  const judged = new Map<string, Map<string, number>>();
  for (const line of readFileSync(join(folder, 'qrels.tsv'), 'utf8').trim().split('\n').slice(1)) {
    const [query = '', chunk = '', score = '0'] = line.split('\t');
    judged.set(query, (judged.get(query) ?? new Map<string, number>()).set(chunk, Number(score)));
  }
  return readLines(folder, 'queries.jsonl').flatMap((line) => {
    const { id, text } = z.object({ id: z.string(), text: z.string() }).parse(line);
    const scores = judged.get(id);
    if (!scores) return [];
    const best = Math.max(...scores.values());
    return [
      {
        question: text,
        isGold: (chunk: Chunk) => (scores.get(chunk.id) ?? 0) >= best,
        isRelated: (chunk: Chunk) => (scores.get(chunk.id) ?? 0) > 0,
      },
    ];
  });
}

export function toSource(chunk: Chunk, index: number): AnswerSource {
  const { documentId, title, text, start } = chunk;
  const pageBreaks = [{ page: 1, chunkOffset: 0 }];
  return {
    number: index + 1,
    chunkId: chunk.id,
    documentId,
    version: 1,
    title,
    text,
    charStart: start,
    pageBreaks,
    score: 0,
  };
}

function bm25(chunks: readonly Chunk[], k1 = 0.9, b = 0.4): (question: string) => Chunk[] {
  const postings = new Map<string, Map<number, number>>();
  const lengths = chunks.map(({ title, text }, index) => {
    const terms = termsOf(`${title} ${text}`);
    for (const term of terms) {
      const posting = postings.get(term) ?? new Map<number, number>();
      postings.set(term, posting.set(index, (posting.get(index) ?? 0) + 1));
    }
    return terms.length;
  });
  const meanLength = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return (question) => {
    const scores = new Float64Array(chunks.length);
    for (const term of termsOf(question)) {
      const posting = postings.get(term) ?? new Map<number, number>();
      const rarity = Math.log(1 + (chunks.length - posting.size + 0.5) / (posting.size + 0.5));
      for (const [index, count] of posting) {
        const norm = k1 * (1 - b + (b * (lengths[index] ?? 0)) / meanLength);
        scores[index] = (scores[index] ?? 0) + (rarity * count * (k1 + 1)) / (count + norm);
      }
    }
    const order = [...scores.keys()].sort((a, c) => (scores[c] ?? 0) - (scores[a] ?? 0) || a - c);
    return order.flatMap((index) => chunks[index] ?? []);
  };
}
