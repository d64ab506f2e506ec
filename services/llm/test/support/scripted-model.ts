/** A model that says what a test tells it to. A test double: nothing in production code knows of it. */
import type { AnswerInput, AnswerModel, ModelCard, ModelEvent, ModelQuote } from '../../src/ports.ts';

export const scriptedCard: ModelCard = {
  id: 'scripted',
  aliases: ['quality', 'fast'],
  contextTokens: 10_000,
  maxOutputTokens: 1_000,
};

type Script = (input: AnswerInput, signal: AbortSignal) => AsyncIterable<ModelEvent>;

export function scriptedModel(answer: Script | readonly ModelEvent[], own: Partial<AnswerModel> = {}): AnswerModel {
  return {
    id: scriptedCard.id,
    promptVersion: 'scripted-1',
    takesGuardrail: true,
    confidential: [],
    fit: ({ sources }) => sources,
    answer: typeof answer === 'function' ? answer : () => told(answer),
    maxMicroUsd: () => 0,
    rewrite: ({ question }) => Promise.resolve(question),
    ...own,
  };
}

/** A statement event; quotes as pairs of a source's number and words. */
export function says(text: string, ...quotes: readonly (readonly [number, string] | ModelQuote)[]): ModelEvent {
  return { kind: 'statement', text, quotes: quotes.map(asQuote) };
}

export const answered: ModelEvent = { kind: 'done', outcome: 'answered' };

function asQuote(quote: readonly [number, string] | ModelQuote): ModelQuote {
  return 'sourceNumber' in quote ? quote : { sourceNumber: quote[0], quote: quote[1] };
}

async function* told(events: readonly ModelEvent[]): AsyncGenerator<ModelEvent> {
  for (const event of events) {
    await Promise.resolve();
    yield event;
  }
}
