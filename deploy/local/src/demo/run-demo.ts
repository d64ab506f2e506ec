import { Api, ApiError, type DemoAnswer, type DemoDocument } from './api.ts';
import { findMaterial, type DemoFile } from './material.ts';

/** Who appears in the demonstration, each with a way to get an access token. */
export interface Cast {
  readonly clinician: () => Promise<string>;
  /** A clinician of another tenant; without one that part is left out. */
  readonly stranger?: () => Promise<string>;
  /** Without one the audit trail is left out. */
  readonly auditor?: () => Promise<string>;
}

export interface DemoOptions {
  readonly gatewayUrl: string;
  readonly cast: Cast;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

const uploadsAtOnce = 4;
const documentTimeoutMs = 180_000;
const auditTail = 8;

/**
 * The platform's main job, seen from outside: takes documents in, waits until they can be searched, asks questions and
 * prints the cited answers. Thrown: Error when something that has to work does not.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { gatewayUrl, cast, print } = options;
  const material = await findMaterial();
  const clinician = new Api(gatewayUrl, cast.clinician);

  print(`\nTaking in ${material.files.length} PDFs (${material.source})`);
  const documents = await ingest(clinician, material.files, options);
  summarize(documents, print);

  print('\nQuestions');
  for (const question of material.questions) {
    const answer = await clinician.answer(question);
    printAnswer(question, answer, print);
    if (answer.citations.length === 0) throw new Error('An answer that the documents hold came without a citation.');
    if (answer.grounding < 1) throw new Error('The embedded model quotes, and what it quoted was not borne out.');
  }
  print('\nA question that the documents do not answer');
  const none = await clinician.answer(material.unanswerable);
  printAnswer(material.unanswerable, none, print);
  if (none.outcome !== 'NOT_IN_DOCUMENTS') throw new Error('A question that no document answers was answered.');

  if (cast.stranger !== undefined) await tryOtherTenant(new Api(gatewayUrl, cast.stranger), documents, material, print);
  if (cast.auditor !== undefined) await showAudit(new Api(gatewayUrl, cast.auditor), print);
}

async function ingest(api: Api, files: readonly DemoFile[], options: DemoOptions): Promise<DemoDocument[]> {
  const waiting = [...files];
  const done: DemoDocument[] = [];
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const document = await follow(api, file, options);
      done.push(document);
      const how =
        document.state === 'READY'
          ? `${document.pageCount} p, ${document.chunkCount} chunks`
          : document.failure?.reason;
      options.print(
        `  [${done.length}/${files.length}] ${document.state.padEnd(7)} ${document.title} (${String(how)})`,
      );
    }
  };
  await Promise.all(Array.from({ length: uploadsAtOnce }, worker));
  return done;
}

/** Uploads one file and watches it until it is READY or FAILED, by events, and by asking when the stream ends early. */
async function follow(api: Api, file: DemoFile, { print, signal }: DemoOptions): Promise<DemoDocument> {
  const uploaded = await api.upload(file);
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(documentTimeoutMs)]);
  let last = '';
  for (;;) {
    const document = await api.document(uploaded.documentId);
    if (document.state === 'READY' || document.state === 'FAILED') return document;
    for await (const seen of api.watch(uploaded.documentId, deadline)) {
      if (seen.state === 'READY' || seen.state === 'FAILED') return seen;
      if (seen.state !== last) print(`        ${seen.state.toLowerCase()} ${seen.percent} %  ${seen.title}`);
      last = seen.state;
    }
    deadline.throwIfAborted();
  }
}

function summarize(documents: readonly DemoDocument[], print: (line: string) => void): void {
  const ready = documents.filter((document) => document.state === 'READY');
  const pages = ready.reduce((sum, document) => sum + document.pageCount, 0);
  const chunks = ready.reduce((sum, document) => sum + document.chunkCount, 0);
  print(`${ready.length} READY with ${pages} pages in ${chunks} chunks, ${documents.length - ready.length} FAILED`);
  for (const { title, failure } of documents) {
    if (failure !== undefined) print(`  ${title}: ${failure.reason}, ${failure.message}`);
  }
  if (ready.length === 0) throw new Error('No document became READY.');
}

function printAnswer(question: string, answer: DemoAnswer, print: (line: string) => void): void {
  print(`\n  Q: ${question}`);
  print(`  A: ${answer.answer}`);
  const titles = new Map(answer.sources.map((source) => [source.number, source.documentTitle]));
  for (const citation of answer.citations) {
    const { pageStart, pageEnd } = citation.span;
    const pages = pageStart === pageEnd ? `page ${pageStart}` : `pages ${pageStart} to ${pageEnd}`;
    const quote = citation.quote.replaceAll(/\s+/g, ' ');
    print(`     [${citation.sourceNumber}] ${titles.get(citation.sourceNumber) ?? '?'}, ${pages}: “${quote}”`);
  }
  printCheck(answer, print);
}

/** What the check of the answer came to: what of it the documents bear out, and what is wrong with the rest. */
function printCheck({ outcome, checked, statements, usage }: DemoAnswer, print: (line: string) => void): void {
  for (const { text, problems } of statements.filter(({ support }) => support !== 'SUPPORTED')) {
    print(`     not borne out (${problems.join(', ')}): ${text}`);
  }
  const { supported, withheld } = checked;
  const borneOut = `${supported} of ${checked.statements} statements borne out, ${withheld} withheld`;
  const { modelId, inputTokens, outputTokens } = usage;
  print(`     ${outcome}: ${borneOut}; ${modelId}, ${inputTokens} tokens read, ${outputTokens} written`);
}

async function tryOtherTenant(
  stranger: Api,
  documents: readonly DemoDocument[],
  material: { readonly files: readonly DemoFile[]; readonly questions: readonly string[] },
  print: (line: string) => void,
): Promise<void> {
  print('\nThe same, asked by a clinician of another tenant');
  const ours = new Set(documents.map((document) => document.documentId));
  const seen = (await stranger.documents()).filter((document) => ours.has(document.documentId));
  print(`  lists ${seen.length} of our documents`);
  const [first] = documents;
  const reason = await stranger.document(first?.documentId ?? '').then(
    () => 'found',
    (error: unknown) => (error instanceof ApiError ? `${error.status} ${error.reason}` : String(error)),
  );
  print(`  asks for one by its id: ${reason}`);
  const answer = await stranger.answer(material.questions[0] ?? '');
  print(`  asks the first question: ${answer.outcome}, ${answer.citations.length} citations`);
  if (seen.length > 0 || !reason.startsWith('404')) throw new Error('Another tenant saw a document.');
}

async function showAudit(auditor: Api, print: (line: string) => void): Promise<void> {
  print(`\nThe tail of the audit trail, as the tenant's auditor sees it`);
  const events = await auditor.auditEvents(auditTail);
  for (const event of events.toReversed()) {
    const who = `${event.actor.kind} (${event.actor.roles.join(', ')})`;
    const what = `${event.action} ${event.outcome.toLowerCase()}`;
    print(
      `  #${event.sequence} ${event.occurredAt} ${event.service}: ${what}, by ${who}, ${event.resourceIds.length} ids`,
    );
  }
  if (events.length === 0) throw new Error('The audit trail is empty.');
}
