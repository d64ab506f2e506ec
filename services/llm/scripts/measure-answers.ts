/**
 * Measures the extractive answerer on collections with known answers:
 *   node services/llm/scripts/measure-answers.ts DIR [DIR …]
 * Sources are the eight best chunks by BM25, so that the figures are of the answerer and not of an index. A folder holds
 * corpus.jsonl and either qa.jsonl with answer spans (COVID-QA) or queries.jsonl and qrels.tsv (MedQuAD).
 *
 * gold in sources: the chunk with the answer is among the eight · answered: not refused · gold cited: a citation overlaps the
 * answer span (or is of the gold passage) · refused when removed: the gold document was taken out and the question refused.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { chooseSentences } from '../src/domain/extractive-answerer.ts';
import { termsOf } from '../src/domain/terms.ts';
import type { AnswerSource } from '../src/ports.ts';

interface Chunk {
  readonly id: string;
  readonly documentId: string;
  readonly title: string;
  readonly text: string;
  readonly start: number;
}
interface Case {
  readonly question: string;
  /** Whether a stretch of a chunk is the answer, or part of it. */
  readonly isGold: (chunk: Chunk, start: number, end: number) => boolean;
  /** Whether a chunk has to go when the answer is to be removed. */
  readonly isRelated: (chunk: Chunk) => boolean;
}

const sourcesPerQuestion = 8;
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

console.table(process.argv.slice(2).map(measure));

function measure(folder: string) {
  const chunks = readChunks(folder);
  const byId = new Map(chunks.map((chunk) => [chunk.id, chunk]));
  const search = bm25(chunks);
  const cases =
    existsSync(join(folder, 'qa.jsonl')) && chunks.some(({ start }) => start > 0)
      ? qaCases(folder)
      : judgedCases(folder);
  let [inSources, answered, cited, refused, sentences] = [0, 0, 0, 0, 0];
  const started = performance.now();
  for (const { question, isGold, isRelated } of cases) {
    const ranked = search(question);
    const found = ranked.slice(0, sourcesPerQuestion);
    if (found.some((chunk) => isGold(chunk, 0, chunk.text.length))) inSources += 1;
    const chosen = chooseSentences(question, found.map(toSource));
    if (chosen.length > 0) answered += 1;
    sentences += chosen.length;
    const golden = chosen.some(({ source, start, end }) => {
      const chunk = byId.get(found[source.number - 1]?.id ?? '');
      return chunk !== undefined && isGold(chunk, start, end);
    });
    if (golden) cited += 1;
    const others = ranked.filter((chunk) => !isRelated(chunk)).slice(0, sourcesPerQuestion);
    if (chooseSentences(question, others.map(toSource)).length === 0) refused += 1;
  }
  const share = (count: number) => `${((100 * count) / cases.length).toFixed(1)} %`;
  return {
    collection: basename(folder),
    questions: cases.length,
    'gold in sources': share(inSources),
    answered: share(answered),
    'gold cited': share(cited),
    'refused when removed': share(refused),
    'sentences/answer': (sentences / Math.max(1, answered)).toFixed(1),
    'ms/question': ((performance.now() - started) / cases.length).toFixed(1),
  };
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

function toSource(chunk: Chunk, index: number): AnswerSource {
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
