import { randomBytes } from 'node:crypto';
import { textPdf } from '@wardstone/testing';
import type { ClinicalNote } from './clinical-notes.ts';
import { readEvents, type Rest } from './rest.ts';
import { createRpcCaller } from './rpc-caller.ts';
import { type Stack, whenFinished } from './stack.ts';

/** What became of what was sent: documents by their final state, and answers by their status. */
export interface Exercised {
  readonly states: readonly string[];
  readonly statuses: ReadonlyMap<number, number>;
  /** The trace that the last requests, which reach every service, are part of. */
  readonly traceId: string;
}

/**
 * Does with notes whatever people and programs do: uploads that go well and uploads that fail, searches, answers, reading,
 * listing, deleting, and requests of the kinds by which content gets into logs (in paths, headers, names of fields, bodies that do
 * not parse, names of uploads).
 */
export async function exercise(stack: Stack, notes: readonly ClinicalNote[]): Promise<Exercised> {
  const rest = stack.as('north-clinician');
  const statuses = new Map<number, number>();
  const count = ({ status }: { readonly status: number }): void => {
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const states = [...(await ingestAll(rest, notes)), ...(await uploadsThatFail(rest, notes, count))];
  for (const { question, fileName, patient } of notes) {
    const found = await rest.search(question);
    count(found);
    count(await rest.call('POST', '/v1/answers', { json: { question } }));
    const documentIds = found.body.hits.slice(0, 1).map(({ documentId }) => documentId);
    count(await rest.search(`${patient.familyName} ${patient.socialSecurity} ${fileName}`, { documentIds }));
  }
  await conversations(rest, notes, count);
  await streamedAnswer(stack, notes);
  for (const note of notes.slice(0, 3)) await hostileRequests(stack, rest, note, count);
  await hostileCalls(stack, notes);
  await readAndDelete(rest, count);
  return { states, statuses, traceId: await tracedRequests(stack, rest, notes) };
}

async function ingestAll(rest: Rest, notes: readonly ClinicalNote[]): Promise<string[]> {
  const accepted: string[] = [];
  for (const { fileName, bytes, title, patient } of notes) {
    const options = { title, idempotencyKey: `${patient.familyName}-${patient.recordNumber}` };
    const { status, body } = await rest.upload(fileName, bytes, options);
    if (status !== 202) throw new Error(`the upload answered ${status}`);
    accepted.push(body.documentId);
  }
  return Promise.all(accepted.map(async (id) => (await whenFinished(rest, id)).state));
}

type Count = (reply: { readonly status: number }) => void;

/** Each of them fails somewhere else: at the gateway, in the service, or in the pipeline. */
async function uploadsThatFail(rest: Rest, notes: readonly ClinicalNote[], count: Count): Promise<string[]> {
  const note = notes[0] as ClinicalNote;
  const { title, fileName, text } = note;
  const options = { title };
  const replies = [
    await rest.upload(fileName, Buffer.from(`%PDF-1.7\n${text}`), options),
    await rest.upload(fileName, await textPdf(['Page'], { userPassword: text.slice(0, 30), title }), options),
    await rest.upload(fileName, Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), Buffer.from(text)]), options),
    await rest.upload(`${fileName}.txt`, Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xfe, 0xc3])]), options),
    await rest.upload(`${text.slice(0, 400)}.txt`, Buffer.from(text), options),
    await rest.upload(fileName, Buffer.alloc(0), options),
    await rest.upload(fileName, note.bytes, { title: text.slice(0, 2_000) }),
    await rest.upload(fileName, note.bytes, { title, idempotencyKey: `${note.patient.familyName} ${title}` }),
    await rest.call('POST', '/v1/documents', { json: { fileName, title, contentBase64: `${text.slice(0, 200)}=` } }),
    await rest.call('POST', '/v1/documents', { json: { fileName, [title]: text } }),
    await rest.call('POST', '/v1/documents', { form: new FormData(), headers: { 'idempotency-key': 'k' } }),
  ];
  replies.forEach(count);
  const accepted = replies.filter(({ status }) => status === 202).map(({ body }) => body as { documentId: string });
  return Promise.all(accepted.map(async ({ documentId }) => (await whenFinished(rest, documentId)).state));
}

/** Conversations with titles and questions out of notes, listed, read, one deleted; and such as go wrong. */
async function conversations(rest: Rest, notes: readonly ClinicalNote[], count: Count): Promise<void> {
  for (const { title, question, text } of notes.slice(0, 4)) {
    const begun = await rest.call<{ conversationId: string }>('POST', '/v1/conversations', { json: { title } });
    count(begun);
    const { conversationId } = begun.body;
    for (const asked of [question, `And what of it: ${text.slice(0, 60)}?`]) {
      count(await rest.call('POST', '/v1/answers', { json: { question: asked, conversationId } }));
    }
    count(await rest.call('GET', `/v1/conversations/${conversationId}`));
    count(await rest.call('POST', '/v1/conversations', { json: { title: text.slice(0, 400), [title]: question } }));
    count(await rest.call('GET', `/v1/conversations/${encodeURIComponent(question)}`));
  }
  const spoken = await rest.converse(...notes.slice(0, 2).map(({ question }) => question));
  count(await rest.call('GET', '/v1/conversations'));
  count(await rest.call('DELETE', `/v1/conversations/${spoken}`));
}

async function streamedAnswer(stack: Stack, notes: readonly ClinicalNote[]): Promise<void> {
  const response = await fetch(new URL('/v1/answers', stack.platform.urls.gateway), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await stack.platform.token('north-clinician')}`,
      accept: 'text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ question: notes[0]?.question }),
    signal: AbortSignal.timeout(60_000),
  });
  await readEvents(response);
}

async function hostileRequests(stack: Stack, rest: Rest, note: ClinicalNote, count: Count): Promise<void> {
  const { question, fileName } = note;
  const queries = [
    `'; select '${question}' from pg_sleep(0); --`,
    `${question}\r\n{"level":"error","msg":"${question}"}`,
    `\0${question}`,
    `\${jndi:ldap://127.0.0.1/${question}} %s %d %j {{${question}}}`,
    `\ud800 ${question}`,
    `${question} `.repeat(100),
  ];
  for (const query of queries) count(await rest.search(query));
  count(await rest.call('POST', '/v1/search', { json: { query: question, [question]: fileName } }));
  count(await rest.call('POST', '/v1/search', { json: { query: { [question]: [fileName] } } }));
  count(await rest.call('POST', '/v1/answers', { json: { question, documentIds: [fileName], topK: question } }));

  const named = encodeURIComponent(question);
  const paths = [`search?query=${named}`, `documents/${named}`, `documents?pageToken=${named}&state=${named}`, named];
  for (const path of paths) count(await rest.call('GET', `/v1/${path}`));
  count(await rest.call('GET', `/${named}`));

  const token = await stack.platform.token('north-clinician');
  const mark = note.marks[0] ?? '';
  const send = async (body: string, headers: Record<string, string>): Promise<void> => {
    const url = new URL('/v1/search', stack.platform.urls.gateway);
    const sent = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers };
    const reply = await fetch(url, { method: 'POST', headers: sent, body, signal: AbortSignal.timeout(60_000) });
    await reply.text();
    count(reply);
  };
  await send(`${question} is no JSON`, {});
  await send(`{"query": "${question}`, {});
  await send(question, { 'content-type': `text/${mark}` });
  await send(JSON.stringify({ query: question }), { authorization: `Bearer ${mark}.${mark}.${mark}` });
  await send(JSON.stringify({ query: question }), {
    'x-request-id': question,
    'user-agent': question,
    referer: `https://example.org/${named}`,
    cookie: `patient=${mark}`,
    traceparent: mark,
    tracestate: `patient=${mark}`,
    baggage: `patient=${mark}`,
    'if-none-match': `"${mark}"`,
    'idempotency-key': question,
    'x-forwarded-for': mark,
  });
}

/** Past the gateway: a service that sends another what no schema of the gateway would let through. */
async function hostileCalls(stack: Stack, notes: readonly ClinicalNote[]): Promise<void> {
  const rpc = createRpcCaller(stack);
  const question = notes[0]?.question ?? '';
  const text = notes[0]?.text ?? '';
  const gateway = { peer: 'gateway', role: 'clinician' };
  await rpc.as(gateway, 'retrieval', 'Search', { query: text.repeat(4) });
  await rpc.as(gateway, 'retrieval', 'Search', { query: question, document_ids: [question] });
  await rpc.as(gateway, 'llm', 'Answer', { question: text.repeat(4) });
  await rpc.as(gateway, 'ingestion', 'GetDocument', { document_id: question });
  await rpc.as({ peer: 'retrieval', role: 'service' }, 'embedding', 'Embed', { texts: [text.repeat(40), question] });
  await rpc.withToken(notes[0]?.marks[0], 'retrieval', 'Search', { query: question });
}

async function readAndDelete(rest: Rest, count: Count): Promise<void> {
  const documents = await rest.documents();
  for (const { documentId, state } of documents.slice(0, 3)) {
    count(await rest.document(documentId));
    if (state === 'READY') count(await rest.call('GET', `/v1/documents/${documentId}/content`));
  }
  const [last] = documents.filter(({ state }) => state === 'READY');
  if (last) count(await rest.call('DELETE', `/v1/documents/${last.documentId}`));
}

/** Requests of one trace that every service has a part in; spans are sent in the order in which they ended. */
async function tracedRequests(stack: Stack, rest: Rest, notes: readonly ClinicalNote[]): Promise<string> {
  const traceId = randomBytes(16).toString('hex');
  const headers = { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01` };
  const form = new FormData();
  form.append('file', new Blob([notes[0]?.text ?? '']), notes[0]?.fileName);
  const accepted = await rest.call<{ documentId: string }>('POST', '/v1/documents', { form, headers });
  await whenFinished(rest, accepted.body.documentId);
  await rest.call('POST', '/v1/answers', { json: { question: notes[0]?.question }, headers });
  const tenantId = stack.platform.accounts.tenants[0]?.id ?? '';
  await stack.as('platform-admin').call('GET', `/v1/tenants/${tenantId}`, { headers });
  return traceId;
}
