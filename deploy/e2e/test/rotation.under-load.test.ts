import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { notePdf, syntheticNote } from '../src/documents.ts';
import { objectKeyVersions, quickKeys, rowsByKeyVersion } from '../src/lifecycle.ts';
import type { Rest } from '../src/rest.ts';
import { ingest, startStack, whenFinished, type Stack } from '../src/stack.ts';

interface RotationView {
  readonly rotationId: string;
  readonly keyVersion: number;
  readonly state: string;
  readonly progress: readonly { readonly holder: string; readonly done: boolean; readonly documentsDone: number }[];
}

const before = 12;
const wait = { timeoutMs: 120_000, intervalMs: 200 };

describe('a key rotation of a tenant that is used meanwhile', function () {
  this.timeout(300_000);
  let stack: Stack;
  let clinician: Rest;
  let admin: Rest;
  let tenantId: string;
  let conversationId: string;

  beforeEach(async () => {
    stack = await startStack('rotation', quickKeys);
    [clinician, admin] = [stack.as('north-clinician'), stack.as('north-tenant-admin')];
    tenantId = stack.platform.accounts.tenants[0]?.id ?? '';
    for (let number = 0; number < before; number += 1) {
      const note = syntheticNote(number, 'Turnstile');
      await ingest(clinician, note.fileName, await notePdf(note), note.title);
    }
    conversationId = await clinician.converse(syntheticNote(0, 'Turnstile').question, 'And then?');
  });
  afterEach(async () => stack.stop());

  const rotations = (): string => `/v1/tenants/${tenantId}/key-rotations`;
  const startRotation = async (): Promise<RotationView> => {
    const started = await admin.call<RotationView>('POST', rotations());
    expect(started.status).to.equal(202);
    return started.body;
  };
  const whenCompleted = (rotationId: string): Promise<RotationView> =>
    eventually(
      async () => {
        const { status, body } = await admin.call<RotationView>('GET', `${rotations()}/${rotationId}`);
        return status === 200 && body.state === 'COMPLETED' && body;
      },
      { ...wait, description: 'the rotation to be complete' },
    );
  const expectEverythingUnder = async (version: number): Promise<void> => {
    const rows = await rowsByKeyVersion(stack, tenantId);
    expect(Object.keys(rows)).to.include.members([
      'ingestion.document.key_version',
      'retrieval.chunk.content_key_version',
      'retrieval.chunk_vector.vector_key_version',
      'llm.conversation.key_version',
      'llm.turn.key_version',
    ]);
    for (const [column, counts] of Object.entries(rows))
      expect(Object.keys(counts), column).to.deep.equal([String(version)]);
    const objects = Object.values(await objectKeyVersions(stack, tenantId));
    expect(objects.length).to.be.at.least(before);
    expect(new Set(objects)).to.deep.equal(new Set([version]));
  };

  const expectConversation = async (): Promise<void> => {
    const { body } = await clinician.call<{ title: string; turns: { answer: string }[] }>(
      'GET',
      `/v1/conversations/${conversationId}`,
    );
    expect(body.title).to.equal(syntheticNote(0, 'Turnstile').question);
    expect(body.turns[0]?.answer).to.include(syntheticNote(0, 'Turnstile').answer);
  };

  it('fails no request, and ends with every row and object under the new version', async () => {
    let going = true;
    const failures: string[] = [];
    const counts = { searches: 0, uploads: 0, downloads: 0, questions: 0 };
    const documents = await clinician.documents();
    const search = async (): Promise<void> => {
      for (let number = 0; going; number = (number + 1) % before) {
        const note = syntheticNote(number, 'Turnstile');
        const { status, body } = await clinician.search(note.question, { topK: 3 });
        counts.searches += 1;
        if (status !== 200) failures.push(`search: ${String(status)}`);
        else if (!body.hits.some(({ text }) => text.includes(note.answer)))
          failures.push('search: the note is missing');
      }
    };
    const upload = async (): Promise<void> => {
      for (let number = 0; going; number += 1) {
        const note = syntheticNote(number, 'Carousel');
        const accepted = await clinician.upload(note.fileName, await notePdf(note), { title: note.title });
        counts.uploads += 1;
        if (accepted.status !== 202) failures.push(`upload: ${String(accepted.status)}`);
        else if ((await whenFinished(clinician, accepted.body.documentId)).state !== 'READY')
          failures.push('upload: FAILED');
      }
    };
    const download = async (): Promise<void> => {
      for (let number = 0; going; number = (number + 1) % documents.length) {
        const { status } = await clinician.call('GET', `/v1/documents/${documents[number]?.documentId ?? ''}/content`);
        counts.downloads += 1;
        if (status !== 200) failures.push(`download: ${String(status)}`);
      }
    };
    const converse = async (): Promise<void> => {
      for (let number = 0; going; number = (number + 1) % before) {
        const { question } = syntheticNote(number, 'Turnstile');
        const { status } = await clinician.call('POST', '/v1/answers', { json: { question, conversationId } });
        counts.questions += 1;
        if (status !== 200) failures.push(`question: ${String(status)}`);
      }
    };
    const load = Promise.all([search(), upload(), download(), converse()]);
    const { rotationId, keyVersion } = await startRotation();
    expect(keyVersion).to.equal(2);
    const complete = await whenCompleted(rotationId).finally(() => {
      going = false;
    });
    await load;
    expect(failures).to.deep.equal([]);
    expect(Math.min(...Object.values(counts))).to.be.greaterThan(0);
    expect(complete.progress.map(({ holder, done }) => [holder, done])).to.deep.equal([
      ['ingestion', true],
      ['llm', true],
      ['retrieval', true],
    ]);
    await expectEverythingUnder(2);

    await expectConversation();
    const { body } = await clinician.search(syntheticNote(3, 'Turnstile').question, { topK: 1 });
    expect(body.hits[0]?.text).to.include(syntheticNote(3, 'Turnstile').answer);
  });

  it('goes on where kill -9 stopped it, in every service', async () => {
    const { rotationId } = await startRotation();
    for (const victim of ['retrieval', 'ingestion', 'llm', 'tenant-key'] as const) {
      await eventually(
        async () => {
          const { body } = await admin.call<RotationView>('GET', `${rotations()}/${rotationId}`);
          // tenant-key does no such work itself: it dies while the others report to it.
          const moved = body.progress.filter(({ documentsDone }) => documentsDone > 0).map(({ holder }) => holder);
          return victim === 'tenant-key' ? moved.length > 0 : moved.includes(victim);
        },
        { ...wait, intervalMs: 20, description: 'work to be under way' },
      );
      stack.platform.kill(victim);
      await stack.platform.whenReady(victim);
    }
    await whenCompleted(rotationId);
    await expectEverythingUnder(2);
    await expectConversation();
    for (let number = 0; number < before; number += 1) {
      const note = syntheticNote(number, 'Turnstile');
      const { body } = await clinician.search(note.question, { topK: 3 });
      expect(
        body.hits.some(({ text }) => text.includes(note.answer)),
        note.title,
      ).to.equal(true);
    }
  });
});
