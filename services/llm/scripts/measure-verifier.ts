/**
 * Measures the verifier on sentences of real texts:
 *   node services/llm/scripts/measure-verifier.ts DATA [SENTENCES [WHAT]]
 * where DATA holds folders with corpus.jsonl (COVID-QA, MedQuAD, PubMedQA) and SciFact.
 *
 * Each sentence is a statement that quotes itself (accepted?), then with one mistake in it (caught?), then with a quote that is
 * nearly its words (found?), from another document (refused?). SciFact's claims are written by people from a cited abstract:
 * how many that it bears out are accepted, and how many that it contradicts are caught. WHAT prints the misses of one row ("number", "unchanged", "SUPPORT").
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { splitSentences } from '../src/domain/sentences.ts';
import { createVerifier, type StatementProblem } from '../src/domain/verify/verify-statement.ts';
import type { AnswerSource } from '../src/ports.ts';
import { leaveOut, mutations, randomOf, slip } from '../test/support/mutations.ts';
import { sourceOf } from '../test/support/sources.ts';

const textSchema = z.object({ id: z.string(), title: z.string().default(''), text: z.string() });
const evidenceSchema = z.object({
  claim_id: z.string(),
  doc_id: z.string(),
  label: z.enum(['SUPPORT', 'CONTRADICT']),
  sentences: z.array(z.number()),
});

const [folder = '../shared/data', sentencesText = '3000', shown = ''] = process.argv.slice(2);
/** Sentences of each collection. */
const maxSamples = Number(sentencesText);
const sentences = ['covidqa', 'medquad', 'pubmedqa']
  .filter((name) => existsSync(join(folder, name)))
  .map(measureSentences);
console.table(Object.fromEntries(sentences.map(({ collection, ...rest }) => [collection, rest])));
if (existsSync(join(folder, 'scifact'))) console.table(measureClaims(join(folder, 'scifact')));

function measureSentences(collection: string) {
  const random = randomOf(7);
  const rates = new Map<string, [number, number]>();
  const count = (name: string, hit: boolean) => {
    const [hits, all] = rates.get(name) ?? [0, 0];
    rates.set(name, [hits + (hit ? 1 : 0), all + 1]);
  };
  const samples = sample(readTexts(join(folder, collection)), random);
  const started = process.threadCpuUsage().user;
  for (const { sentence, source, elsewhere, neighbour } of samples) {
    const verifier = createVerifier([source]);
    const problems = (text: string, quote: string) =>
      verifier.verify({ text, quotes: [{ sourceNumber: 1, quote }] }).problems;
    count('unchanged accepted', tell('unchanged', problems(sentence, sentence), sentence).length === 0);
    for (const [name, mutate] of Object.entries(mutations)) {
      const wrong = mutate(sentence, random);
      if (wrong !== undefined) count(`${name} caught`, missed(name, problems(wrong, sentence), wrong, sentence));
    }
    count('slips found', problems(sentence, slip(sentence, random)).length === 0);
    count('word left out found', problems(sentence, leaveOut(sentence, random)).length === 0);
    count('invented refused', problems(sentence, elsewhere).includes('quote-not-found'));
    if (neighbour !== undefined) count('other sentence refused', problems(neighbour, sentence).length > 0);
    count('other statement refused', problems(elsewhere, sentence).length > 0);
  }
  const verdicts = [...rates.values()].reduce((sum, [, all]) => sum + all, 0);
  const us = (process.threadCpuUsage().user - started) / verdicts;
  return {
    collection,
    ...Object.fromEntries([...rates].map(([name, [hits, all]]) => [name, `${share(hits, all)} of ${String(all)}`])),
    'µs/verdict': us.toFixed(0),
  };
}

function measureClaims(scifact: string) {
  const texts = new Map(readTexts(scifact).map((text) => [text.id, text]));
  const claims = new Map(
    readLines(join(scifact, 'queries.jsonl'))
      .map((line) => z.object({ id: z.string(), text: z.string() }).parse(line))
      .map(({ id, text }) => [id, text]),
  );
  const rows: Record<string, { claims: number; accepted: number; problems: Record<string, number> }> = {};
  for (const line of readLines(join(scifact, 'evidence.jsonl'))) {
    const { claim_id: claimId, doc_id: documentId, label, sentences: indices } = evidenceSchema.parse(line);
    const [claim, document] = [claims.get(claimId), texts.get(documentId)];
    if (claim === undefined || document === undefined) continue;
    const source = sourceOf({ title: document.title, text: document.text });
    const all = splitSentences(source.text);
    const quotes = indices
      .flatMap((index) => all[index] ?? [])
      .map(({ start, end }) => ({ sourceNumber: 1, quote: source.text.slice(start, end) }));
    const { problems } = createVerifier([source]).verify({ text: claim, quotes });
    const row = (rows[label] ??= { claims: 0, accepted: 0, problems: {} });
    row.claims += 1;
    if (problems.length === 0) row.accepted += 1;
    for (const problem of problems) row.problems[problem] = (row.problems[problem] ?? 0) + 1;
    if (shown === label)
      console.log(problems.join(), '\n ', claim, '\n ', quotes.map(({ quote }) => quote).join(' | '));
  }
  return Object.fromEntries(
    Object.entries(rows).map(([label, { claims: all, accepted, problems }]) => [
      label,
      { claims: all, accepted: share(accepted, all), ...problems },
    ]),
  );
}

function sample(texts: readonly z.infer<typeof textSchema>[], random: () => number) {
  const found: { sentence: string; source: AnswerSource; elsewhere: string; neighbour: string | undefined }[] = [];
  let elsewhere = 'The committee on parking met in the town hall on a rainy afternoon.';
  for (let round = 0; round < maxSamples; round += 1) {
    const text = texts[Math.floor(random() * texts.length)];
    if (!text) break;
    const all = splitSentences(text.text);
    const index = Math.floor(random() * all.length);
    const [at, far] = [all[index], all[index < 5 ? index + 5 : index - 5]];
    const sentence = at && text.text.slice(at.start, at.end);
    if (sentence === undefined || sentence.split(' ').length < 6) continue;
    const neighbour = far && text.text.slice(far.start, far.end);
    found.push({ sentence, source: sourceOf({ title: text.title, text: text.text }), elsewhere, neighbour });
    elsewhere = sentence;
  }
  return found;
}

function readTexts(path: string) {
  return readLines(join(path, 'corpus.jsonl')).map((line) => textSchema.parse(line));
}

function readLines(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

function share(hits: number, all: number): string {
  return `${((100 * hits) / Math.max(1, all)).toFixed(1)} %`;
}

function tell(what: string, problems: readonly StatementProblem[], text: string) {
  if (shown === what && problems.length > 0) console.log(problems.join(), text);
  return problems;
}

function missed(what: string, problems: readonly StatementProblem[], wrong: string, right: string): boolean {
  if (shown === what && problems.length === 0) console.log(`- ${wrong}\n+ ${right}`);
  return problems.length > 0;
}
