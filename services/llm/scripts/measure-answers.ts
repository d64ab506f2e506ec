/**
 * Measures the extractive answerer on collections with known answers:
 *   node services/llm/scripts/measure-answers.ts DIR [DIR …]
 * Sources are the eight best chunks by BM25, so that the figures are of the answerer and not of an index. A folder holds
 * corpus.jsonl and either qa.jsonl with answer spans (COVID-QA) or queries.jsonl and qrels.tsv (MedQuAD).
 *
 * gold in sources: the chunk with the answer is among the eight · answered: not refused · gold cited: a citation overlaps the
 * answer span (or is of the gold passage) · refused when removed: the gold document was taken out and the question refused.
 */
import { basename } from 'node:path';
import { chooseSentences } from '../src/domain/extractive-answerer.ts';
import { readCollection, toSource } from './collections.ts';

const sourcesPerQuestion = 8;
console.table(process.argv.slice(2).map(measure));

function measure(folder: string) {
  const { cases, search } = readCollection(folder);
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
      const chunk = found[source.number - 1];
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
