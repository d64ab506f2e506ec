/**
 * Measures the lexical embedder beside BM25 (k1 0.9, b 0.4, same words and stems) on retrieval collections:
 *   node services/embedding/scripts/measure-retrieval.ts DIR [DIR …]
 * Each folder holds corpus.jsonl {id,title,text}, queries.jsonl {id,text} and qrels.tsv (query-id, corpus-id, score).
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { embedText } from '../src/domain/lexical-embedder.ts';
import { stemOf, wordsOf } from '../src/domain/words.ts';

type Judgments = ReadonlyMap<string, number>;
interface Collection {
  readonly ids: readonly string[];
  readonly texts: readonly string[];
  readonly queries: readonly { readonly text: string; readonly judgments: Judgments }[];
}
type Score = (query: string) => Float64Array;

const depth = 10;
const documentSchema = z.object({ id: z.string(), title: z.string().optional(), text: z.string() });
const querySchema = z.object({ id: z.string(), text: z.string() });

const rows = process.argv.slice(2).flatMap((folder) => {
  const collection = load(folder);
  const started = performance.now();
  const cosine = cosineScore(collection.texts);
  const embedMicros = ((performance.now() - started) * 1000) / collection.texts.length;
  return [
    { collection: basename(folder), method: 'lexical, 1024 dimensions', ...measure(collection, cosine), embedMicros },
    {
      collection: basename(folder),
      method: 'BM25',
      ...measure(collection, bm25Score(collection.texts)),
      embedMicros: 0,
    },
  ];
});
console.table(
  rows.map(({ embedMicros, ...row }) => ({ ...row, 'µs/passage': embedMicros === 0 ? '' : Math.round(embedMicros) })),
);

function load(folder: string): Collection {
  const lines = (name: string) => readFileSync(join(folder, name), 'utf8').trim().split('\n');
  const documents = lines('corpus.jsonl').map((line) => documentSchema.parse(JSON.parse(line)));
  const judged = new Map<string, Map<string, number>>();
  for (const line of lines('qrels.tsv').slice(1)) {
    const [query = '', document = '', score = '0'] = line.split('\t');
    judged.set(query, (judged.get(query) ?? new Map<string, number>()).set(document, Number(score)));
  }
  const queries = lines('queries.jsonl').map((line) => querySchema.parse(JSON.parse(line)));
  return {
    ids: documents.map(({ id }) => id),
    texts: documents.map(({ title = '', text }) => (text.startsWith(title) ? text : `${title}\n${text}`)),
    queries: queries.flatMap(({ id, text }) => {
      const judgments = judged.get(id);
      return judgments ? [{ text, judgments }] : [];
    }),
  };
}

function measure({ ids, queries }: Collection, score: Score): Record<string, string> {
  let [ndcg, recall, hits] = [0, 0, 0];
  for (const { text, judgments } of queries) {
    const scores = score(text);
    const ranking = [...scores.keys()]
      .sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b)
      .slice(0, depth)
      .map((index) => judgments.get(ids[index] ?? '') ?? 0);
    const ideal = [...judgments.values()].sort((a, b) => b - a).slice(0, depth);
    const relevant = ideal.filter((gain) => gain > 0).length;
    ndcg += gainOf(ranking) / gainOf(ideal);
    recall += ranking.filter((gain) => gain > 0).length / relevant;
    hits += (ranking[0] ?? 0) > 0 ? 1 : 0;
  }
  const mean = (sum: number) => (sum / queries.length).toFixed(3);
  return { 'nDCG@10': mean(ndcg), 'recall@10': mean(recall), 'hit@1': mean(hits) };
}

function gainOf(gains: readonly number[]): number {
  return gains.reduce((sum, gain, index) => sum + gain / Math.log2(index + 2), 0);
}

function cosineScore(texts: readonly string[]): Score {
  const vectors = texts.map((text) => embedText(text, 'passage'));
  return (query) => {
    const wanted = embedText(query, 'query');
    return Float64Array.from(vectors, (vector) => {
      let sum = 0;
      for (let index = 0; index < wanted.length; index += 1) sum += (wanted[index] ?? 0) * (vector[index] ?? 0);
      return sum;
    });
  };
}

function bm25Score(texts: readonly string[], k1 = 0.9, b = 0.4): Score {
  const postings = new Map<string, Map<number, number>>();
  const lengths = texts.map((text, index) => {
    const stems = wordsOf(text).map(stemOf);
    for (const stem of stems) {
      const posting = postings.get(stem) ?? new Map<number, number>();
      postings.set(stem, posting.set(index, (posting.get(index) ?? 0) + 1));
    }
    return stems.length;
  });
  const meanLength = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return (query) => {
    const scores = new Float64Array(texts.length);
    for (const stem of wordsOf(query).map(stemOf)) {
      const posting = postings.get(stem) ?? new Map<number, number>();
      const rarity = Math.log(1 + (texts.length - posting.size + 0.5) / (posting.size + 0.5));
      for (const [index, count] of posting) {
        const norm = k1 * (1 - b + (b * (lengths[index] ?? 0)) / meanLength);
        scores[index] = (scores[index] ?? 0) + (rarity * count * (k1 + 1)) / (count + norm);
      }
    }
    return scores;
  };
}
