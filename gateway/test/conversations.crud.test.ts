import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { TurnSchema } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { AnswerOutcome } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { expectProblem } from './support/http.ts';
import { type World, startWorld } from './support/world.ts';

interface Shown {
  readonly conversationId: string;
  readonly title: string;
}

describe('conversations', () => {
  let world: World;
  let mine: { authorization: string };
  let theirs: { authorization: string };
  before(async () => {
    world = await startWorld();
    mine = await world.bearer({ subject: 'user-1' });
    theirs = await world.bearer({ subject: 'user-2' });
  });
  after(() => world.close());
  beforeEach(() => {
    world.state.kept.conversations.length = 0;
  });

  const begin = (body: object, headers = mine) =>
    fetch(`${world.url}/v1/conversations`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const at = (path: string, headers = mine, method = 'GET') =>
    fetch(`${world.url}/v1/conversations${path}`, { method, headers });

  it('are begun with a title or without, and say where they are', async () => {
    const response = await begin({ title: 'Infusion pump' });
    expect(response.status).to.equal(201);
    const shown = (await response.json()) as Shown;
    expect(shown).to.include({ title: 'Infusion pump', turnCount: 0 });
    expect(response.headers.get('location')).to.equal(`/v1/conversations/${shown.conversationId}`);
    expect(await (await begin({})).json()).to.include({ title: '' });
    for (const body of [{ title: 'x'.repeat(201) }, { title: 'a\nb' }, { title: 7 }]) {
      await expectProblem(await begin(body), 400, 'INVALID_ARGUMENT');
    }
    await expectProblem(await begin({ name: 'x' }), 400, 'UNKNOWN_FIELD');
  });

  it('are listed in pages', async () => {
    for (const title of ['a', 'b', 'c']) await begin({ title });
    const first = (await (await at('?pageSize=2')).json()) as { data: Shown[]; hasMore: boolean; nextToken: string };
    expect(first.data.map(({ title }) => title)).to.deep.equal(['c', 'b']);
    const second = await (await at(`?pageSize=2&pageToken=${first.nextToken}`)).json();
    expect(second).to.include({ hasMore: false, nextToken: null });
    await expectProblem(await at('?pageToken=nonsense'), 400, 'PAGE_TOKEN_INVALID');
  });

  it('are shown with their turns', async () => {
    const { conversationId } = (await (await begin({ title: 'Pump' })).json()) as Shown;
    const span = { pageStart: 1, pageEnd: 1, charStart: 0, charEnd: 5 };
    const place = { sourceNumber: 1, documentId: uuidv7(), version: 1, quote: 'RESET', answerStart: 0, answerEnd: 6 };
    world.state.kept.conversations[0]?.turns.push(
      create(TurnSchema, {
        turn: 4,
        question: 'And then?',
        standaloneQuestion: 'And then, of the alarm?',
        answer: 'RESET.',
        citations: [{ ...place, span }],
        outcome: AnswerOutcome.ANSWERED,
        modelId: 'in-test',
        createdAt: timestampFromDate(new Date('2026-11-22T09:00:00Z')),
      }),
    );
    const shown = (await (await at(`/${conversationId}`)).json()) as { turns: { citations: object[] }[] };
    expect(shown).to.include({ conversationId, title: 'Pump' });
    const [turn] = shown.turns;
    expect(turn).to.deep.include({
      turn: 4,
      question: 'And then?',
      standaloneQuestion: 'And then, of the alarm?',
      answer: 'RESET.',
      outcome: 'ANSWERED',
      createdAt: '2026-11-22T09:00:00.000Z',
    });
    expect(turn?.citations[0]).to.deep.include({ ...place, span });
  });

  it('are their owner’s alone, and an id that names nothing is answered alike', async () => {
    const { conversationId } = (await (await begin({ title: 'Mine' })).json()) as Shown;
    expect(await (await at('', theirs)).json()).to.deep.include({ data: [] });
    for (const id of [conversationId, uuidv7(), 'nonsense', '%00', '..%2f']) {
      await expectProblem(await at(`/${id}`, theirs), 404, 'CONVERSATION_NOT_FOUND');
      await expectProblem(await at(`/${id}`, theirs, 'DELETE'), 404, 'CONVERSATION_NOT_FOUND');
    }
    expect((await at(`/${conversationId}`, mine, 'DELETE')).status).to.equal(204);
    await expectProblem(await at(`/${conversationId}`), 404, 'CONVERSATION_NOT_FOUND');
  });

  it('are not for auditors', async () => {
    const auditor = await world.bearer({ roles: ['auditor'] });
    await expectProblem(await at('', auditor), 403, 'PERMISSION_DENIED');
    await expectProblem(await begin({}, auditor), 403, 'PERMISSION_DENIED');
  });
});
