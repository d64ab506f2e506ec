/**
 * Measures the local reranker on collections with known answers:
 *   node services/llm/scripts/measure-rerank.ts DIR [DIR …]
 * Sources are the best chunks by BM25, which is what retrieval's order with the embedded model comes to. For folders see
 * collections.ts.
 *
 * hit@k: share of the questions with the gold chunk among the first k, as found → as reranked · found: it is among the
 * candidates, so that no reranker does better · ms: of one order.
 */
import { basename } from 'node:path';
import { createLocalReranker } from '../src/domain/local-reranker.ts';
import { readCollection, toSource } from './collections.ts';

const topK = 8;
const cutOffs = [1, 3, 5, topK] as const;

const rows: Record<string, string | number>[] = [];
for (const folder of process.argv.slice(2)) rows.push(await measure(folder));
console.table(rows);

async function measure(folder: string) {
  const { cases, search } = readCollection(folder);
  const reranker = createLocalReranker();
  const before = cutOffs.map(() => 0);
  const after = cutOffs.map(() => 0);
  let [found, ms] = [0, 0];
  for (const { question, isGold } of cases) {
    const candidates = search(question).slice(0, reranker.candidates(topK));
    const gold = new Set(candidates.filter((chunk) => isGold(chunk, 0, chunk.text.length)).map(({ id }) => id));
    if (gold.size > 0) found += 1;
    const startedMs = performance.now();
    const sources = candidates.map(toSource);
    const ranked = await reranker.rerank(question, sources, topK, new AbortController().signal);
    ms += performance.now() - startedMs;
    for (const [at, cutOff] of cutOffs.entries()) {
      if (sources.slice(0, cutOff).some(({ chunkId }) => gold.has(chunkId))) before[at] = (before[at] ?? 0) + 1;
      if (ranked.sources.slice(0, cutOff).some(({ chunkId }) => gold.has(chunkId))) after[at] = (after[at] ?? 0) + 1;
    }
  }
  const percent = (count = 0): string => ((100 * count) / cases.length).toFixed(1);
  const hits = cutOffs.map((cutOff, at) => [
    `hit@${String(cutOff)} %`,
    `${percent(before[at])} → ${percent(after[at])}`,
  ]);
  return {
    collection: basename(folder),
    questions: cases.length,
    'found %': percent(found),
    ...(Object.fromEntries(hits) as Record<string, string>),
    ms: (ms / cases.length).toFixed(1),
  };
}
