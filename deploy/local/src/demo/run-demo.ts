import { createHash } from 'node:crypto';
import { type Answer, createDemoClient, type DemoClient, type DocumentState } from './client.ts';
import type { DemoDocument, DemoScript } from './documents.ts';

/** The stack the demo runs against, and how its people sign in. */
export interface DemoTarget {
  readonly gatewayUrl: string;
  /** An access token of a person who may ingest and ask. */
  clinician(): Promise<string>;
  /** An access token of a clinician of another tenant. */
  outsider(): Promise<string>;
  /** An access token of the first tenant's auditor. */
  auditor(): Promise<string>;
}

const pipelineTimeoutMs = 300_000;
const pollIntervalMs = 400;
const uploadsAtOnce = 3;

/**
 * Runs the main job against a stack: ingests documents, asks questions, shows cited answers, tries the same as another
 * tenant, and shows the audit trail. Running it again ingests nothing twice. Thrown: Error when a step does not hold.
 */
export async function runDemo(target: DemoTarget, script: DemoScript, print: (line: string) => void): Promise<void> {
  const clinician = createDemoClient(target.gatewayUrl, () => target.clinician());
  print(`\nIngesting ${script.documents.length} documents: ${script.origin}.`);
  const ids = await uploadAll(clinician, script.documents, print);
  const states = await waitForAll(clinician, ids, print);
  const ready = states.filter(({ state }) => state === 'READY');
  if (ready.length === 0) throw new Error('No document became READY.');
  print(`${ready.length} of ${states.length} documents can be searched.`);

  for (const question of script.questions) printAnswer(await clinician.ask(question), question, print);
  const refusal = await clinician.ask(script.unanswerable);
  printAnswer(refusal, script.unanswerable, print);
  if (refusal.outcome !== 'NOT_IN_DOCUMENTS')
    throw new Error('A question without an answer in the documents was answered.');

  await tryAsOutsider(
    createDemoClient(target.gatewayUrl, () => target.outsider()),
    ids,
    script.questions,
    print,
  );
  await showAuditTrail(
    createDemoClient(target.gatewayUrl, () => target.auditor()),
    print,
  );
}

async function uploadAll(client: DemoClient, documents: readonly DemoDocument[], print: (line: string) => void) {
  const ids: string[] = [];
  for (let at = 0; at < documents.length; at += uploadsAtOnce) {
    const batch = documents.slice(at, at + uploadsAtOnce).map(async (document) => {
      const bytes = await document.bytes();
      // The key follows from the content, so a second run finds the documents of the first.
      const idempotencyKey = `demo-${createHash('sha256').update(document.fileName).update(bytes).digest('hex').slice(0, 40)}`;
      return client.upload(document.fileName, bytes, idempotencyKey);
    });
    ids.push(...(await Promise.all(batch)));
    print(`  uploaded ${ids.length} of ${documents.length}`);
  }
  return ids;
}

async function waitForAll(client: DemoClient, ids: readonly string[], print: (line: string) => void) {
  const deadline = performance.now() + pipelineTimeoutMs;
  const done = new Map<string, DocumentState>();
  let lastLine = '';
  while (done.size < ids.length) {
    if (performance.now() > deadline) throw new Error(`${ids.length - done.size} documents did not finish in time.`);
    let percent = 0;
    for (const id of ids) {
      const document = done.get(id) ?? (await client.document(id));
      percent += document.state === 'FAILED' ? 100 : document.percent;
      if (done.has(id) || (document.state !== 'READY' && document.state !== 'FAILED')) continue;
      done.set(id, document);
      const how = document.failure ? `FAILED ${document.failure.reason}` : `READY, ${document.chunkCount} chunks`;
      print(`  ${document.fileName}: ${how}`);
    }
    const line = `  ${Math.floor(percent / ids.length)} % done`;
    if (line !== lastLine) print(line);
    lastLine = line;
    await new Promise((resolve) => setTimeout(resolve, done.size < ids.length ? pollIntervalMs : 0));
  }
  return [...done.values()];
}

function printAnswer(answer: Answer, question: string, print: (line: string) => void): void {
  print(`\nQ: ${question}`);
  print(`A: ${answer.answer.trim()}`);
  const titles = new Map(answer.sources.map((source) => [source.number, source.documentTitle]));
  for (const { sourceNumber, span, quote } of answer.citations) {
    const shown = quote.replace(/\s+/g, ' ');
    const page = span.pageStart === span.pageEnd ? `${span.pageStart}` : `${span.pageStart}-${span.pageEnd}`;
    const place = `${titles.get(sourceNumber) ?? 'a document'}, page ${page}, characters ${span.charStart}-${span.charEnd}`;
    print(`   [${sourceNumber}] ${place}: "${shown.length > 160 ? `${shown.slice(0, 157)}...` : shown}"`);
  }
  if (answer.outcome === 'ANSWERED' && answer.citations.length === 0)
    throw new Error('An answer came without citations.');
}

async function tryAsOutsider(
  client: DemoClient,
  ids: readonly string[],
  questions: readonly string[],
  print: (line: string) => void,
) {
  const firstId = ids[0] ?? '';
  const status = await client.statusOf(firstId);
  if (status !== 404) throw new Error(`Another tenant's document answered ${status} instead of 404.`);
  for (const question of questions) {
    const hits = await client.search(question, ids);
    if (hits.length > 0) throw new Error("A search found another tenant's chunks.");
  }
  print(`\nA clinician of another tenant asked for the same: the document answers 404, searches find 0 chunks.`);
}

async function showAuditTrail(client: DemoClient, print: (line: string) => void): Promise<void> {
  const events = await client.auditEvents(8);
  if (events.length === 0) throw new Error('The audit log is empty.');
  print('\nThe end of the audit log, newest first:');
  for (const event of events) {
    print(
      `  #${event.sequence} ${event.occurredAt} ${event.service} ${event.action} ${event.outcome} by ${event.actor.subject}`,
    );
  }
}
