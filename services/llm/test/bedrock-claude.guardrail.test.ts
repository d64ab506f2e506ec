import { AppError } from '@wardstone/rpc';
import { guardrailIntervention, type Json, textAnswer } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { maxCheckedChars, maxGroundingChars, maxQueryChars } from '../src/adapters/bedrock-guardrail.ts';
import type { AnswerInput } from '../src/ports.ts';
import { answeredInPieces, input, line, lineOf, readAll, useClaude } from './support/claude.ts';
import { sourceOf } from './support/sources.ts';

const guardrail = { id: 'gr-1', version: '3' };
const blockedByGuardrail = 'Sorry, that cannot be said.';

/** What a call of ApplyGuardrail was asked: its texts by what they are. */
function contentOf(body: Json | undefined): [string, string][] {
  const content = (body?.['content'] ?? []) as { text: { text: string; qualifiers: string[] } }[];
  return content.map(({ text }) => [text.qualifiers.join(), text.text]);
}

describe('Claude: a guardrail in the stream', () => {
  const suite = useClaude();
  const asked = () => suite.double.calls[0]?.body ?? {};
  beforeEach(() => suite.double.onConverse(answeredInPieces));

  it('is not asked for unless there is one', async () => {
    await readAll(suite.claude(), input);
    expect(asked()).not.to.have.property('guardrailConfig');
    expect(JSON.stringify(asked())).not.to.contain('guardContent');
  });

  it('checks before anything leaves, and does not tell what it found', async () => {
    await readAll(suite.claude({ guardrail }), input);
    expect(asked()['guardrailConfig']).to.deep.equal({
      guardrailIdentifier: 'gr-1',
      guardrailVersion: '3',
      trace: 'disabled',
      streamProcessingMode: 'sync',
    });
  });

  it('looks at the question, and at the sources for grounding alone', async () => {
    await readAll(suite.claude({ guardrail }), input);
    const [message] = asked()['messages'] as { content: Json[] }[];
    const guarded = (message?.content ?? []).flatMap(({ guardContent }) => {
      const { text } = (guardContent ?? { text: undefined }) as { text?: { text: string; qualifiers: string[] } };
      return text === undefined ? [] : [text];
    });
    expect(guarded.map(({ qualifiers }) => qualifiers)).to.have.deep.members([
      ['grounding_source'],
      ['query', 'guard_content'],
    ]);
    expect(guarded.find(({ qualifiers }) => qualifiers.includes('query'))?.text).to.contain(input.question);
    expect(guarded.find(({ qualifiers }) => qualifiers.includes('grounding_source'))?.text).to.contain('bleeding');
  });

  it('looks at a conversation that the caller tells as at the question, and not again at one that was kept', async () => {
    const history = [{ question: 'Who are you?', answer: 'One who tells everything.' }];
    for (const historyIsTold of [true, false]) {
      await readAll(suite.claude({ guardrail }), { ...input, history, historyIsTold });
      const sent = suite.double.calls.at(-1)?.body ?? {};
      const [message] = sent['messages'] as { content: Json[] }[];
      const blocks = (message?.content ?? []).filter((block) => JSON.stringify(block).includes('tells everything'));
      expect(blocks).to.have.length(1);
      const { guardContent } = blocks[0] as { guardContent?: { text: { text: string; qualifiers: string[] } } };
      expect(guardContent?.text.qualifiers).to.deep.equal(historyIsTold ? ['guard_content'] : undefined);
      expect(JSON.stringify(sent['system'])).not.to.contain('tells everything');
    }
  });

  it('of the tenant comes before that of the installation', async () => {
    const own = { id: 'gr-own', version: '1' };
    await readAll(suite.claude({ guardrail }), { ...input, guardrail: own });
    expect(asked()['guardrailConfig']).to.deep.include({ guardrailIdentifier: 'gr-own', guardrailVersion: '1' });
  });

  it('that steps in ends the answer; its own words are none of the model’s', async () => {
    suite.double.onConverse(() => textAnswer(line + blockedByGuardrail, { stopReason: 'guardrail_intervened' }));
    const { events } = await readAll(suite.claude({ guardrail }), input);
    expect(JSON.stringify(events)).not.to.contain(blockedByGuardrail);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'blocked' });
  });
});

describe('Claude: a guardrail for the whole answer', () => {
  const suite = useClaude();
  const claude = () => suite.claude({ guardrail, guardrailCheck: 'whole' });
  const checks = () => suite.double.calls.filter(({ operation }) => operation === 'ApplyGuardrail');
  beforeEach(() => suite.double.onConverse(answeredInPieces));

  it('lets statements go when it has seen all of them', async () => {
    const { events } = await readAll(claude(), input);
    expect(events.map(({ kind }) => kind)).to.deep.equal(['usage', 'statement', 'statement', 'done']);
    expect(checks().map(({ model }) => model)).to.deep.equal(['gr-1/3']);
    expect(checks()[0]?.body).to.deep.include({ source: 'OUTPUT' });
    expect(contentOf(checks()[0]?.body)).to.deep.equal([
      ['grounding_source', 'Warfarin was stopped because of bleeding.'],
      ['query', input.question],
      ['guard_content', 'It was stopped.\nIt bled.'],
    ]);
  });

  it('keeps all of them when it steps in', async () => {
    suite.double.onGuardrail(() => guardrailIntervention(blockedByGuardrail));
    const { events } = await readAll(claude(), input);
    expect(events.map(({ kind }) => kind)).to.deep.equal(['usage', 'done']);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'blocked' });
  });

  it('lets nothing go when it cannot be asked', async () => {
    suite.double.fault({ kind: 'error', type: 'AccessDeniedException' }, { operation: 'ApplyGuardrail' });
    const { events, error } = await readAll(claude(), input);
    expect(AppError.from(error).reason).to.equal('MODEL_ACCESS_DENIED');
    expect(events.map(({ kind }) => kind)).to.deep.equal(['usage']);
  });

  it('is asked again when it is throttled', async () => {
    suite.double.fault({ kind: 'error', type: 'ThrottlingException' }, { operation: 'ApplyGuardrail', next: 2 });
    const { error } = await readAll(claude(), input);
    expect(error).to.equal(undefined);
    expect(checks()).to.have.length(3);
  });

  it('is not asked about an answer that says nothing', async () => {
    suite.double.onConverse(() => textAnswer('{"none":true}\n'));
    const { events } = await readAll(claude(), input);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'not-in-documents' });
    expect(checks()).to.deep.equal([]);
  });

  it('gets no more at a time than it takes: statements whole, those sources first that they quote', async () => {
    const statements = [1, 2, 3].map((n) => `${String(n)} ${'word '.repeat(400)}`.trim());
    suite.double.onConverse(() => textAnswer(statements.map((text) => lineOf(text, 2, 'second')).join('')));
    const sources = [1, 2, 3].map((number) =>
      sourceOf({ number, text: `${number === 2 ? 'second' : 'other'} ${'x'.repeat(45_000)}` }),
    );
    const long: AnswerInput = { question: 'w'.repeat(2_000), history: [], sources };
    await readAll(claude(), long);
    expect(checks()).to.have.length(2);
    for (const { body } of checks()) {
      const content = contentOf(body);
      const lengthOf = (kind: string) =>
        content.filter(([it]) => it === kind).reduce((sum, [, text]) => sum + text.length, 0);
      expect(lengthOf('grounding_source')).to.be.at.most(maxGroundingChars).and.at.least(90_000);
      expect(lengthOf('query')).to.equal(maxQueryChars);
      expect(lengthOf('guard_content')).to.be.at.most(maxCheckedChars);
      expect(content[0]?.[1]).to.match(/^second/u);
    }
    const checked = checks().flatMap(({ body }) => contentOf(body).filter(([kind]) => kind === 'guard_content'));
    expect(checked.map(([, text]) => text).join('\n')).to.equal(statements.join('\n'));
  });
});
