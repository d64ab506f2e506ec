/**
 * Measures the extractive answerer on collections with known answers:
 *   node services/llm/scripts/measure-answers.ts DIR [DIR …]
 * Sources are the eight best chunks by BM25, so that the figures are of the answerer and not of an index. A folder holds
 * corpus.jsonl and either qa.jsonl with answer spans (COVID-QA) or queries.jsonl and qrels.tsv (MedQuAD).
 *
 * gold in sources: the chunk with the answer is among the eight · answered: not refused · gold cited: a citation overlaps the
 * answer span (or is of the gold passage) · refused when removed: the gold document was taken out and the question refused ·
 * exact quotes: quotes that the verifier finds word for word · grounding: statements that it takes as borne out · µs/statement:
 * processor time of the verifier for one, reading the sources included.
 */
import { basename } from 'node:path';
import { chooseSentences, createExtractiveAnswerer } from '../src/domain/extractive-answerer.ts';
import { createVerifier } from '../src/domain/verify/verify-statement.ts';
import type { AnswerSource } from '../src/ports.ts';
import { readCollection, toSource } from './collections.ts';

const sourcesPerQuestion = 8;
const model = createExtractiveAnswerer();
const never = new AbortController().signal;
const rows: Awaited<ReturnType<typeof measure>>[] = [];
for (const folder of process.argv.slice(2)) rows.push(await measure(folder));
console.table(rows);

async function measure(folder: string) {
  const { cases, search } = readCollection(folder);
  let [inSources, answered, cited, refused, sentences] = [0, 0, 0, 0, 0];
  const check = { statements: 0, supported: 0, quotes: 0, exact: 0, us: 0 };
  const started = performance.now();
  for (const { question, isGold, isRelated } of cases) {
    const ranked = search(question);
    const found = ranked.slice(0, sourcesPerQuestion);
    if (found.some((chunk) => isGold(chunk, 0, chunk.text.length))) inSources += 1;
    const chosen = chooseSentences(question, found.map(toSource));
    if (chosen.length > 0) answered += 1;
    sentences += chosen.length;
    await verify(question, found.map(toSource), check);
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
    'exact quotes': `${((100 * check.exact) / check.quotes).toFixed(1)} %`,
    grounding: `${((100 * check.supported) / check.statements).toFixed(1)} %`,
    'µs/statement': (check.us / check.statements).toFixed(0),
    'sentences/answer': (sentences / Math.max(1, answered)).toFixed(1),
    'ms/question': ((performance.now() - started) / cases.length).toFixed(1),
  };
}

/** What the service makes of an answer of the model, counted. */
async function verify(
  question: string,
  sources: readonly AnswerSource[],
  check: { statements: number; supported: number; quotes: number; exact: number; us: number },
): Promise<void> {
  const verifier = createVerifier(sources);
  for await (const event of model.answer({ question, history: [], sources }, never)) {
    if (event.kind !== 'statement') continue;
    const began = process.threadCpuUsage().user;
    const { problems, quotes } = verifier.verify(event);
    check.us += process.threadCpuUsage().user - began;
    check.statements += 1;
    check.quotes += event.quotes.length;
    check.exact += quotes.filter(({ match }) => match === 'exact').length;
    if (problems.length === 0) check.supported += 1;
  }
}
