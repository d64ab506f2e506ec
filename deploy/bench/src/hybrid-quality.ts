/** How well retrieval ranks a public collection: its own analysis, blind terms, formats, BM25 and fusion, in memory. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createBlindTerms } from '@wardstone/crypto';
import { createLexicalEmbedder, embedText } from '@wardstone/embedding/domain/lexical-embedder';
import { searchableText, termsOf } from '@wardstone/retrieval/domain/analyse';
import { type Bm25Scores, createBm25Scorer } from '@wardstone/retrieval/domain/bm25';
import { fuse, keywordWeight, vectorWeightOf } from '@wardstone/retrieval/domain/fusion';
import { createPartBuilder } from '@wardstone/retrieval/domain/part-builder';
import { maxPartChunks, readPart } from '@wardstone/retrieval/domain/postings';

/** Places of each ranking that are fused, as the service has it. */
const depth = 100;
/** Places that count. */
const places = 10;

interface Collection {
  readonly ids: readonly string[];
  readonly texts: readonly string[];
  readonly questions: readonly { readonly text: string; readonly judgments: ReadonlyMap<string, number> }[];
}

export interface Quality {
  readonly ndcg: number;
  readonly recall: number;
}

/** nDCG@10 and recall@10 of the service's ranking. The folder holds corpus.jsonl, queries.jsonl and qrels.tsv. */
export async function hybridQuality(folder: string): Promise<Quality> {
  const { ids, texts, questions } = await readCollection(folder);
  const keywordScores = keywordIndex(texts);
  const vectors = texts.map((text) => embedText(text, 'passage'));
  const vectorWeight = vectorWeightOf(createLexicalEmbedder().id);
  let [ndcg, recall] = [0, 0];
  for (const { text, judgments } of questions) {
    const byWords = (await keywordScores(text))
      .best(depth, 0)
      .map(({ docNo, ordinal }) => docNo * maxPartChunks + ordinal);
    const fused = fuse(
      [
        { items: byWords, weight: keywordWeight },
        { items: nearest(vectors, embedText(text, 'query')), weight: vectorWeight },
      ],
      String,
      (a, b) => a - b,
    );
    const gains = fused.slice(0, places).map(({ item }) => judgments.get(ids[item] ?? '') ?? 0);
    const ideal = [...judgments.values()].sort((a, b) => b - a).slice(0, places);
    ndcg += discounted(gains) / discounted(ideal);
    recall += gains.filter((gain) => gain > 0).length / ideal.filter((gain) => gain > 0).length;
  }
  return { ndcg: ndcg / questions.length, recall: recall / questions.length };
}

async function readCollection(folder: string): Promise<Collection> {
  const lines = async (name: string) => (await readFile(path.join(folder, name), 'utf8')).trim().split('\n');
  const parsed = async (name: string) =>
    (await lines(name)).map((line) => JSON.parse(line) as { id: string; title?: string; text: string });
  const judged = new Map<string, Map<string, number>>();
  for (const line of (await lines('qrels.tsv')).slice(1)) {
    const [question = '', document = '', gain = '0'] = line.split('\t');
    judged.set(question, (judged.get(question) ?? new Map<string, number>()).set(document, Number(gain)));
  }
  const documents = await parsed('corpus.jsonl');
  return {
    ids: documents.map(({ id }) => id),
    texts: documents.map(({ title = '', text }) => searchableText(title, text)),
    questions: (await parsed('queries.jsonl')).flatMap(({ id, text }) => {
      const judgments = judged.get(id);
      return judgments === undefined ? [] : [{ text, judgments }];
    }),
  };
}

/** The passages as parts of one document under a key of its own; what it gives scores a question over them. */
function keywordIndex(texts: readonly string[]): (question: string) => Promise<Bm25Scores> {
  const blind = createBlindTerms(randomBytes(32));
  const builder = createPartBuilder((word) => blind.term('word', word));
  const placeOf = (part: number) => ({ documentId: 'collection', version: 1, part, termsKeyVersion: 1 });
  const parts: Buffer[] = [];
  const statistics = { chunkCount: texts.length, sumLength: 0 };
  const take = (): void => {
    const { sumLength, postings } = builder.take(placeOf(parts.length));
    statistics.sumLength += sumLength;
    parts.push(postings);
  };
  for (const text of texts) {
    builder.add(text);
    if (builder.isFull) take();
  }
  if (builder.chunkCount > 0) take();
  return (question) => {
    const repeats = new Map<bigint, number>();
    for (const word of termsOf(question)) {
      const term = blind.term('word', word);
      repeats.set(term, (repeats.get(term) ?? 0) + 1);
    }
    const numbers = new Map([...repeats.keys()].map((term, at) => [term, at]));
    const uppers = new Set([...repeats.keys()].map((term) => Number(term >> 32n)));
    const scorer = createBm25Scorer([...repeats.values()], new Set());
    for (const [part, postings] of parts.entries()) {
      readPart(placeOf(part), postings, { hasUpperHalf: (upper) => uppers.has(upper) }, (term, group) => {
        scorer.add(numbers.get(term) ?? -1, part, group);
      });
    }
    return scorer.finish(statistics, new AbortController().signal);
  };
}

function nearest(vectors: readonly Float32Array[], wanted: Float32Array): number[] {
  const similarities = vectors.map((vector) => {
    let sum = 0;
    for (let at = 0; at < wanted.length; at += 1) sum += (wanted[at] ?? 0) * (vector[at] ?? 0);
    return sum;
  });
  return [...similarities.keys()]
    .sort((a, b) => (similarities[b] ?? 0) - (similarities[a] ?? 0) || a - b)
    .slice(0, depth);
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, at) => sum + gain / Math.log2(at + 2), 0);
}
