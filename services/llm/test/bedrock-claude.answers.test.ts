import { expect } from 'chai';
import { textAnswer } from '@wardstone/testing/bedrock';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { maxStatements } from '../src/domain/read-model.ts';
import type { ModelEvent } from '../src/ports.ts';
import { conservative, delta, fast, input, line, quality, readAll, statement, useClaude } from './support/claude.ts';

const usage = { inputTokens: 1_000, outputTokens: 100, totalTokens: 1_100 };

describe('Claude: answers', () => {
  const suite = useClaude();
  const kinds = (events: readonly ModelEvent[]) => events.map(({ kind }) => kind);

  it('tells each statement while the model still writes', async () => {
    const { promise: rest, resolve: goOn } = Promise.withResolvers<undefined>();
    suite.double.onConverse(async function* () {
      yield* [{ messageStart: { role: 'assistant' as const } }, delta(line)];
      await rest;
      yield* textAnswer(line, { usage }).slice(1);
    });
    const events = suite.claude().answer(input, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await events.next()).value).to.deep.equal(statement);
    goOn(undefined);
    const after: ModelEvent[] = [];
    for (let next = await events.next(); next.done !== true; next = await events.next()) after.push(next.value);
    expect(kinds(after)).to.deep.equal(['statement', 'usage', 'done']);
  });

  it('passes over reasoning and whatever else stands beside the text', async () => {
    const [start, ...rest] = textAnswer(line, { usage });
    suite.double.onConverse(() => [
      ...(start === undefined ? [] : [start]),
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { text: '{"s":"a thought"}\n' } } } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { signature: 'c2ln' } } } },
      { contentBlockStop: { contentBlockIndex: 0 } },
      ...rest,
    ]);
    const { events } = await readAll(suite.claude(), input);
    expect(events.filter(({ kind }) => kind === 'statement')).to.deep.equal([statement]);
  });

  for (const [stopReason, outcome] of [
    ['end_turn', 'answered'],
    ['stop_sequence', 'answered'],
    ['max_tokens', 'cut'],
    ['model_context_window_exceeded', 'cut'],
    ['guardrail_intervened', 'blocked'],
    ['content_filtered', 'blocked'],
    ['something_new', 'cut'],
  ] as const) {
    it(`ends ${outcome} when the model stops for ${stopReason}`, async () => {
      suite.double.onConverse(() => textAnswer(`${line}{"s":"half`, { stopReason, usage }));
      const { events } = await readAll(suite.claude(), input);
      expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome });
      // The half line is a statement without quotes only where the model meant to end there.
      const statements = events.filter(({ kind }) => kind === 'statement');
      expect(statements.length).to.equal(outcome === 'answered' ? 2 : 1);
    });
  }

  it('says that the documents do not answer, whatever the model says after that', async () => {
    suite.double.onConverse(() => textAnswer(`{"none":true}\n${line}`, { usage }));
    const { events } = await readAll(suite.claude(), input);
    expect(kinds(events)).to.deep.equal(['usage', 'done']);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'not-in-documents' });
  });

  it('does not take silence for an answer', async () => {
    suite.double.onConverse(() => textAnswer('\n', { usage }));
    const { events, error } = await readAll(suite.claude(), input);
    expect(kinds(events)).to.deep.equal(['usage']);
    expect(AppError.from(error).reason).to.equal('MODEL_STREAM_BROKEN');
  });

  it('makes statements without quotes of what is not of the form', async () => {
    suite.double.onConverse(() => textAnswer(`Here is the answer:\n${line}`, { usage }));
    const { events } = await readAll(suite.claude(), input);
    expect(events.slice(0, 2)).to.deep.equal([
      { kind: 'statement', text: 'Here is the answer:', quotes: [] },
      statement,
    ]);
  });

  it('stops a model that does not end, and says that the answer is cut', async () => {
    suite.double.onConverse(async function* ({ signal }) {
      yield { messageStart: { role: 'assistant' } };
      while (!signal.aborted) {
        yield delta(line.repeat(20));
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const { events, error } = await readAll(suite.claude(), input);
    expect(error).to.equal(undefined);
    expect(events.filter(({ kind }) => kind === 'statement')).to.have.length(maxStatements);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'cut' });
    expect(kinds(events)).to.contain('usage');
    await eventually(() => suite.double.calls[0]?.aborted === true);
  });

  describe('usage', () => {
    it('is what Bedrock counted, at the prices of the card', async () => {
      const counted = { ...usage, cacheReadInputTokens: 2_000, cacheWriteInputTokens: 500 };
      suite.double.onConverse(() => textAnswer(line, { usage: counted }));
      const costs: number[] = [];
      for (const card of [quality, fast, conservative]) {
        const { events } = await readAll(suite.claude({ routes: [suite.route(card)] }), input);
        const told = events.find((event) => event.kind === 'usage')?.usage;
        expect(told).to.deep.include({ modelId: card.id, inputTokens: 1_000, outputTokens: 100 });
        expect(told).to.deep.include({ cacheReadTokens: 2_000, cacheWriteTokens: 500 });
        costs.push(told?.costMicroUsd ?? 0);
      }
      // 1,000 × 2.2 + 100 × 11 + 2,000 × 0.22 + 500 × 2.75, and so on, rounded up.
      expect(costs).to.deep.equal([5_115, 256, 2_558]);
    });

    it('counts what the double’s cache was written and read for', async () => {
      const claude = suite.claude();
      const first = (await readAll(claude, input)).events.find((event) => event.kind === 'usage')?.usage;
      const second = (await readAll(claude, input)).events.find((event) => event.kind === 'usage')?.usage;
      expect(first?.cacheWriteTokens).to.be.greaterThan(0);
      expect(second).to.deep.include({ cacheWriteTokens: 0, cacheReadTokens: first?.cacheWriteTokens });
    });
  });
});
