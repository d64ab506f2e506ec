import { AppError } from '@wardstone/rpc';
import type { AnswerInput, AnswerModel, ModelEvent, ModelOutcome, ModelUsage } from '../ports.ts';

/** A statement of a model, or how the model ended: always the last. */
export type ModelReading =
  Extract<ModelEvent, { readonly kind: 'statement' }> | { readonly kind: 'done'; readonly outcome: ModelOutcome };

/** Statements after which a model is stopped, as if it had run out of output. */
export const maxStatements = 200;
/** Characters of statements after which it is. */
export const maxAnswerChars = 60_000;
/** How many events of a model that was stopped are looked at for what it used. */
const maxEventsAfterStop = 32;

/**
 * Reads a model's events within bounds. What it used is told to `spent` and comes through no matter how the reading ends: a
 * reader who leaves stops the model, and what it still says of its usage is heard.
 * Thrown: what the model throws; MODEL_UNAVAILABLE when it stops without saying how it ended.
 */
export async function* readModel(
  model: Pick<AnswerModel, 'answer'>,
  input: AnswerInput,
  signal: AbortSignal,
  spent: (usage: ModelUsage) => void,
): AsyncGenerator<ModelReading> {
  const stop = new AbortController();
  const events = model.answer(input, AbortSignal.any([signal, stop.signal]))[Symbol.asyncIterator]();
  let [ended, statements, chars] = [false, 0, 0];
  try {
    while (statements < maxStatements && chars < maxAnswerChars) {
      const next = await nextOf(events, () => (ended = true));
      if (next.done === true) {
        throw new AppError('MODEL_UNAVAILABLE', { cause: new Error('the model stopped without saying how it ended') });
      }
      const event = next.value;
      if (event.kind === 'usage') spent(event.usage);
      else if (event.kind === 'done') {
        ended = true;
        yield event;
        return;
      } else {
        statements += 1;
        chars += event.text.length;
        yield event;
      }
    }
    yield { kind: 'done', outcome: 'cut' };
  } finally {
    if (ended) await events.return?.();
    else {
      stop.abort(new AppError('CANCELLED'));
      await hearUsage(events, spent);
    }
  }
}

/** The next event; an iterator that is over, or that has thrown, has nothing more to tell. */
async function nextOf(events: AsyncIterator<ModelEvent>, over: () => void): Promise<IteratorResult<ModelEvent>> {
  try {
    const next = await events.next();
    if (next.done === true) over();
    return next;
  } catch (error) {
    over();
    throw error;
  }
}

async function hearUsage(events: AsyncIterator<ModelEvent>, spent: (usage: ModelUsage) => void): Promise<void> {
  try {
    for (let heard = 0; heard < maxEventsAfterStop; heard += 1) {
      const next = await events.next();
      if (next.done === true) return;
      if (next.value.kind === 'usage') spent(next.value.usage);
    }
    await events.return?.();
  } catch {
    // It was stopped: that it says so is expected.
  }
}
