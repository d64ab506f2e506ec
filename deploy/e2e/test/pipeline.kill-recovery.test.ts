import { expect } from 'chai';
import pg from 'pg';
import { eventually } from '@wardstone/testing';
import type { PartName } from '@wardstone/local/platform/platform';
import { verifyAuditChains } from '../src/audit-chains.ts';
import { notePdf, syntheticNote } from '../src/documents.ts';
import type { Rest } from '../src/rest.ts';
import { startStack, type Stack } from '../src/stack.ts';

const documents = 50;
const victims: readonly PartName[] = [
  'ingestion',
  'embedding',
  'retrieval',
  'tenant-key',
  'audit',
  'gateway',
  'llm',
  'sign-in',
  'postgres',
];

/** Uploads as a careful client does: the same idempotency key until it is accepted. */
async function uploadUntilAccepted(rest: Rest, number: number): Promise<string> {
  const note = syntheticNote(number, 'Harbor');
  const bytes = await notePdf(note);
  return eventually(
    async () => {
      const reply = await rest.upload(note.fileName, bytes, { title: note.title, idempotencyKey: `note-${number}` });
      if (reply.status !== 202) throw new Error(`the upload answered ${reply.status}`);
      return reply.body.documentId;
    },
    { timeoutMs: 120_000, intervalMs: 200, description: `document ${number} to be accepted` },
  );
}

describe('kill -9 of each process in turn while documents are ingested', function () {
  this.timeout(420_000);
  let stack: Stack;
  before(async () => {
    stack = await startStack('kill-recovery');
  });
  after(async () => stack.stop());

  it(`ends with ${documents} READY, none twice, and audit chains that verify`, async () => {
    const rest = stack.as('north-clinician');
    // Tokens outlive the sign-in's death; a client that needs a new one meanwhile would wait as well.
    await stack.platform.token('north-clinician');
    let next = 0;
    const ids: string[] = [];
    const uploader = async (): Promise<void> => {
      while (next < documents) ids.push(await uploadUntilAccepted(rest, next++));
    };
    const uploads = Promise.all([uploader(), uploader()]);
    const killer = (async () => {
      for (const [index, victim] of victims.entries()) {
        const share = Math.floor(((index + 1) * documents) / (victims.length + 1));
        await eventually(() => ids.length >= share, { timeoutMs: 240_000, description: `${share} uploads` });
        stack.platform.kill(victim);
        await stack.platform.whenReady(victim, 60_000);
      }
    })();
    await Promise.all([uploads, killer]);

    await eventually(
      async () => {
        const states = (await rest.documents()).map(({ state }) => state);
        return states.length === documents && states.every((state) => state === 'READY');
      },
      { timeoutMs: 180_000, intervalMs: 500, description: 'every document to be READY' },
    );
    const listed = await rest.documents();
    expect(new Set(listed.map(({ documentId }) => documentId))).to.deep.equal(new Set(ids));
    expect(new Set(listed.map(({ title }) => title)).size).to.equal(documents);
    await expectIndexWithoutDoubles(
      stack,
      listed.reduce((sum, { chunkCount }) => sum + chunkCount, 0),
    );
    await expectChainsWhole(stack);

    const note = syntheticNote(41, 'Harbor');
    const { body } = await rest.search(note.question, { topK: 3 });
    expect(body.hits.some(({ text }) => text.includes(note.answer))).to.equal(true);
  });
});

async function withAdmin<T>(stack: Stack, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: stack.platform.adminDatabaseUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function expectIndexWithoutDoubles(stack: Stack, chunks: number): Promise<void> {
  const { rows } = await withAdmin(stack, (client) =>
    client.query<{ rows: string; positions: string; documents: string }>(
      `select count(*) as rows, count(distinct (document_id, ordinal)) as positions,
              count(distinct document_id) as documents from retrieval.chunk`,
    ),
  );
  expect(rows[0]).to.deep.equal({ rows: String(chunks), positions: String(chunks), documents: String(documents) });
}

async function expectChainsWhole(stack: Stack): Promise<void> {
  const verdicts = await verifyAuditChains(stack);
  const [north] = stack.platform.accounts.tenants;
  expect([...verdicts.keys()]).to.include.members(['platform', north?.id]);
  expect([...verdicts.values()].filter((verdict) => !verdict.startsWith('whole'))).to.deep.equal([]);
}
